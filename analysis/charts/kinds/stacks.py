"""Horizontal stacked bars: what a total consists of, one bar per cell."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.charts.colours import FAINT_INK, GRID, INK, PAPER, colour_parts
from analysis.charts.kinds.base import HATCHES, Chart, fill_area, join_values, name_axes, vary
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes
from analysis.formatting import seconds

_WIDTH_IN, _BAR_IN = 8.4, 0.34
_NAMES_SHARE, _RIGHT_IN = 0.3, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChart(Chart):
    """Seconds by part for each bar; every part is in the legend once.

    ``gaps`` lists below the bars the names that have no parts, with a short reason.
    """

    x_label: str
    bars: dict[str, dict[str, float]]
    gaps: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> list[str]:
        """All parts, in the order in which they first occur."""
        return list(dict.fromkeys(part for bar in self.bars.values() for part in bar))

    def _draw(self, sizes: Sizes) -> Figure:
        width_in = self._width(sizes)
        sheet = Sheet(width_in, sizes)
        looks = _looks(self.parts)
        most_in, right_in = width_in * _NAMES_SHARE, _RIGHT_IN * sizes.scale
        names = [
            "\n".join(sheet.wrap(name, sizes.tick, most_in)) for name in (*self.bars, *self.gaps)
        ]
        lines = [line for name in names for line in name.split("\n")]
        names_in = max(sheet.text_width(line, sizes.tick) for line in lines)
        left_in = sizes.margin_in + 0.08 + names_in
        height_in = _height(names, alike=sizes.column_in is not None)
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend([Patch(**looks[p]) for p in self.parts], self.parts),
            axes_height_in=height_in * sizes.scale,
            below_axes_in=0.36 * sizes.scale + line_height_in(sizes.label),
            origin=self.origin,
            left_in=left_in,
            right_in=right_in,
        )
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        scale = max(sum(bar.values()) for bar in self.bars.values())
        room_in = (width_in - left_in - right_in) / scale
        for at, bar in enumerate(self.bars.values()):
            begin = 0.0
            for part, value in bar.items():
                axes.barh(at, value, left=begin, height=0.72, **looks[part])
                text = seconds(value)
                if sheet.text_width(text, sizes.value) + 0.06 < value * room_in:
                    place = begin + value / 2
                    box = {"facecolor": PAPER, "alpha": 0.75, "lw": 0, "pad": 0.8}
                    axes.text(
                        place, at, text, ha="center", va="center", bbox=box,
                        fontsize=sizes.value, color=INK,
                    )  # fmt: skip
                begin += value
        for at, word in enumerate(self.gaps.values(), len(self.bars)):
            place = 0.05 / room_in
            axes.text(place, at, word, va="center", fontsize=sizes.value, color=FAINT_INK)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:g}")
        name_axes(axes, sheet, self.x_label)
        return sheet.figure

    def _width(self, sizes: Sizes) -> float:
        """The column if every name fits on two lines beside the bars, else the page."""
        usual_in = sizes.choose_width(_WIDTH_IN)
        sheet, most_in = Sheet(usual_in, sizes), usual_in * _NAMES_SHARE
        lines = max(len(sheet.wrap(name, sizes.tick, most_in)) for name in (*self.bars, *self.gaps))
        return sizes.choose_width(_WIDTH_IN, usual_in if lines <= 2 else math.inf)

    def _kind(self) -> str:
        return "Stacked bar chart"

    def _content(self) -> str:
        values = {
            name: [f"{part} {seconds(value)}" for part, value in bar.items()]
            for name, bar in self.bars.items()
        }
        values |= {name: [word] for name, word in self.gaps.items()}
        return f"{self.x_label}. {join_values(values)}"


def _height(names: list[str], alike: bool) -> float:
    """Height in inches of all bars with their names; ``alike``: each has room for the longest."""
    lines = [name.count("\n") + 1 for name in names]
    height_in = sum(max(_BAR_IN, 0.16 * count) for count in lines) + 0.2
    return max(height_in, len(names) * 0.16 * (max(lines) + 0.3)) if alike else height_in


def _looks(parts: list[str]) -> dict[str, dict[str, Any]]:
    colours = colour_parts(parts)
    hatches = vary(colours, HATCHES)
    return {part: fill_area(colours[part], hatches[part]) for part in parts}
