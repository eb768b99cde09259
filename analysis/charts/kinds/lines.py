"""A line chart of a quantity over numbers, such as images a second over batch sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.charts.kinds.base import MARKERS, Chart, join_values, name_axes, vary
from analysis.charts.kinds.sheet import LABEL_SIZE, Sheet, line_height_in

_DASHES = ("-", "--", ":", "-.")
_WIDTH_IN, _AXES_HEIGHT_IN = 7.6, 3.4


class Point(NamedTuple):
    """A point with its interval, both ends equal to ``y`` where there is none."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart(Chart):
    """Lines by series name, each in the colour that its series has everywhere.

    ``flags`` are signs that stand behind a name, and that the caption explains.
    """

    x_label: str
    y_label: str
    lines: dict[str, list[Point]]
    colours: dict[str, str]
    flags: dict[str, str]

    def _draw(self) -> Figure:
        sheet = Sheet(_WIDTH_IN)
        looks = _looks(self)
        handles = [Line2D([], [], **looks[name]) for name in self.lines]
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend(handles, [f"{n} {self.flags[n]}".strip() for n in self.lines]),
            axes_height_in=_AXES_HEIGHT_IN,
            below_axes_in=0.36 + line_height_in(LABEL_SIZE),
            origin=self.origin,
        )
        for name, points in self.lines.items():
            x, y, low, high = zip(*sorted(points), strict=True)
            below = [max(0.0, b - a) for a, b in zip(low, y, strict=True)]
            above = [max(0.0, b - a) for a, b in zip(y, high, strict=True)]
            axes.errorbar(x, y, yerr=(below, above), markersize=4.5, capsize=3, **looks[name])
        ticks = sorted({point.x for points in self.lines.values() for point in points})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_ylim(bottom=0)
        name_axes(axes, self.x_label, self.y_label)
        return sheet.figure

    def _kind(self) -> str:
        return "Line chart"

    def _content(self) -> str:
        values = {
            name: [f"{point.y:.4g} at {point.x:g}" for point in points]
            for name, points in self.lines.items()
        }
        return f"{self.y_label} by {self.x_label}. {join_values(values)}"


def _looks(chart: LineChart) -> dict[str, dict[str, Any]]:
    """What each line looks like: another marker and dashes where another has its colour already."""
    markers, dashes = vary(chart.colours, MARKERS), vary(chart.colours, _DASHES)
    return {
        name: {
            "color": chart.colours[name],
            "marker": markers[name],
            "linestyle": dashes[name],
        }
        for name in chart.lines
    }
