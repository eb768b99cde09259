"""Horizontal stacked bars: what a total is made of, one bar a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.charts.kinds.sheet import (
    GRID,
    HATCHES,
    INK,
    LABEL_SIZE,
    Sheet,
    line_height_in,
    quiet_fonts,
)
from analysis.formatting import seconds

_WIDTH_IN, _BAR_IN = 8.4, 0.34
_PART_LABEL_SIZE = 7.5
_NAMES_SHARE = 0.3

#: Colours of the parts, in their order; the names of series have others.
_COLOURS = (
    *("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677"),
    *("#aa3377", "#bbbbbb", "#882255", "#999933", "#44aa99"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChart:
    """Seconds by part for each bar; every part is in every bar's legend once."""

    title: str
    x_label: str
    bars: dict[str, dict[str, float]]
    caption: list[str]

    @property
    def parts(self) -> list[str]:
        """All parts, in the order in which they first occur."""
        return list(dict.fromkeys(part for bar in self.bars.values() for part in bar))

    def draw(self) -> Figure:
        """Draw the chart, the first bar on top."""
        with quiet_fonts():
            return _draw(self)

    def alt(self) -> str:
        """What the chart shows, in words."""
        said = (
            f"{name}: {', '.join(f'{part} {seconds(s)}' for part, s in bar.items())}"
            for name, bar in self.bars.items()
        )
        return f"Stacked bar chart. {self.title}. {self.x_label}. {'; '.join(said)}."


def _draw(chart: StackChart) -> Figure:
    sheet = Sheet(_WIDTH_IN)
    looks = {part: _look(at) for at, part in enumerate(chart.parts)}
    names_in = sheet.axes_width_in * _NAMES_SHARE
    names = ["\n".join(sheet.wrap(name, LABEL_SIZE - 1, names_in)) for name in chart.bars]
    height_in = sum(max(_BAR_IN, 0.16 * (name.count("\n") + 1)) for name in names) + 0.2
    axes = sheet.lay_out(
        title=chart.title,
        legend=sheet.legend([Patch(**looks[p]) for p in chart.parts], chart.parts),
        axes_height_in=height_in,
        below_axes_in=0.36 + line_height_in(LABEL_SIZE),
        caption=chart.caption,
    )
    box = axes.get_position()
    shift = box.width * _NAMES_SHARE
    axes.set_position((box.x0 + shift - 0.05, box.y0, box.width - shift + 0.05, box.height))
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    scale = max(sum(bar.values()) for bar in chart.bars.values())
    room_in = (sheet.axes_width_in * (1 - _NAMES_SHARE)) / scale
    for at, bar in enumerate(chart.bars.values()):
        begin = 0.0
        for part, value in bar.items():
            axes.barh(at, value, left=begin, height=0.72, **looks[part])
            text = seconds(value)
            if sheet.text_width(text, _PART_LABEL_SIZE) + 0.06 < value * room_in:
                place = begin + value / 2
                axes.text(
                    place, at, text, ha="center", va="center", fontsize=_PART_LABEL_SIZE,
                    color="black", bbox={"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.8},
                )  # fmt: skip
            begin += value
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(chart.x_label, fontsize=LABEL_SIZE, color=INK)
    return sheet.figure


def _look(at: int) -> dict[str, Any]:
    """What a part looks like: a hatch tells it from another of its colour."""
    again, colour = divmod(at, len(_COLOURS))
    return {
        "facecolor": _COLOURS[colour],
        "edgecolor": INK,
        "linewidth": 0,
        "hatch": HATCHES[again % len(HATCHES)],
    }
