"""Horizontal stacked bars: what a total is made of, one bar per cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.charts.colours import FAINT_INK, GRID, INK, PAPER, colour_parts
from analysis.charts.kinds.base import HATCHES, Chart, fill_area, join_values, name_axes, vary
from analysis.charts.kinds.sheet import (
    LABEL_SIZE,
    MARGIN_IN,
    TICK_SIZE,
    VALUE_SIZE,
    Sheet,
    line_height_in,
)
from analysis.formatting import seconds

_WIDTH_IN, _BAR_IN = 8.4, 0.34
_NAMES_SHARE, _RIGHT_IN = 0.3, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChart(Chart):
    """Seconds by part for each bar; every part is in every bar's legend once.

    ``gaps`` are listed below the bars: names without parts, with a short reason.
    """

    x_label: str
    bars: dict[str, dict[str, float]]
    gaps: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> list[str]:
        """All parts, in the order in which they first occur."""
        return list(dict.fromkeys(part for bar in self.bars.values() for part in bar))

    def _draw(self) -> Figure:
        sheet = Sheet(_WIDTH_IN)
        looks = _looks(self.parts)
        most_in = _WIDTH_IN * _NAMES_SHARE
        names = [
            "\n".join(sheet.wrap(name, TICK_SIZE, most_in)) for name in (*self.bars, *self.gaps)
        ]
        lines = [line for name in names for line in name.split("\n")]
        left_in = MARGIN_IN + 0.08 + max(sheet.text_width(line, TICK_SIZE) for line in lines)
        height_in = sum(max(_BAR_IN, 0.16 * (name.count("\n") + 1)) for name in names) + 0.2
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend([Patch(**looks[p]) for p in self.parts], self.parts),
            axes_height_in=height_in,
            below_axes_in=0.36 + line_height_in(LABEL_SIZE),
            origin=self.origin,
            left_in=left_in,
            right_in=_RIGHT_IN,
        )
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        scale = max(sum(bar.values()) for bar in self.bars.values())
        room_in = (_WIDTH_IN - left_in - _RIGHT_IN) / scale
        for at, bar in enumerate(self.bars.values()):
            begin = 0.0
            for part, value in bar.items():
                axes.barh(at, value, left=begin, height=0.72, **looks[part])
                text = seconds(value)
                if sheet.text_width(text, VALUE_SIZE) + 0.06 < value * room_in:
                    place = begin + value / 2
                    box = {"facecolor": PAPER, "alpha": 0.75, "lw": 0, "pad": 0.8}
                    axes.text(
                        place, at, text, ha="center", va="center", bbox=box,
                        fontsize=VALUE_SIZE, color=INK,
                    )  # fmt: skip
                begin += value
        for at, word in enumerate(self.gaps.values(), len(self.bars)):
            place = 0.05 / room_in
            axes.text(place, at, word, va="center", fontsize=VALUE_SIZE, color=FAINT_INK)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:g}")
        name_axes(axes, self.x_label)
        return sheet.figure

    def _kind(self) -> str:
        return "Stacked bar chart"

    def _content(self) -> str:
        values = {
            name: [f"{part} {seconds(value)}" for part, value in bar.items()]
            for name, bar in self.bars.items()
        }
        values |= {name: [word] for name, word in self.gaps.items()}
        return f"{self.x_label}. {join_values(values)}"


def _looks(parts: list[str]) -> dict[str, dict[str, Any]]:
    colours = colour_parts(parts)
    hatches = vary(colours, HATCHES)
    return {part: fill_area(colours[part], hatches[part]) for part in parts}
