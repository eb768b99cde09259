"""A line chart of a quantity over a number, such as images per second over batch sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.charts.kinds.base import MARKERS, Chart, join_values, name_axes, vary
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes

_DASHES = ("-", "--", ":", "-.")
#: How far the axis goes beyond the highest point, so that its marker is not cut.
_ROOM_ABOVE = 1.06
_WIDTH_IN, _AXES_HEIGHT_IN = 7.6, 3.4

#: How far an interval's arm may reach, as a multiple of its point and of the highest point.
_LONGEST_ARM, _HIGHEST_ARM = 2.0, 1.3


class Point(NamedTuple):
    """A point with its interval; without one both ends equal ``y``."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart(Chart):
    """One line per series, in the colour that the series has in every chart.

    ``flags`` are signs after the name of a series; the caption explains them.
    """

    x_label: str
    y_label: str
    lines: dict[str, list[Point]]
    colours: dict[str, str]
    flags: dict[str, str]

    def _draw(self, sizes: Sizes) -> Figure:
        sheet = Sheet(sizes.choose_width(_WIDTH_IN), sizes)
        looks = _looks(self)
        handles = [Line2D([], [], **looks[name]) for name in self.lines]
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend(handles, [self._entry(name) for name in self.lines]),
            axes_height_in=_AXES_HEIGHT_IN * sizes.height_scale,
            below_axes_in=0.36 * sizes.scale + line_height_in(sizes.label),
            origin=self.origin,
        )
        for name, points in self.lines.items():
            x, y, low, high = zip(*sorted(points), strict=True)
            below = [max(0.0, b - max(a, 0.0)) for a, b in zip(low, y, strict=True)]
            tops = [min(top, self._end_arm(at)) for top, at in zip(high, y, strict=True)]
            above = [max(0.0, b - a) for a, b in zip(y, tops, strict=True)]
            axes.errorbar(
                x, y, yerr=(below, above), markersize=4.5 * sizes.scale, capsize=3, **looks[name]
            )
        ticks = sorted({point.x for points in self.lines.values() for point in points})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_ylim(0, _ROOM_ABOVE * axes.dataLim.ymax)
        name_axes(axes, sheet, self.x_label, self.y_label)
        return sheet.figure

    def _end_arm(self, y: float) -> float:
        """Where an interval's arm is cut, so that it does not dominate the chart."""
        highest = max(point.y for points in self.lines.values() for point in points)
        return min(_LONGEST_ARM * y, max(_HIGHEST_ARM * highest, y))

    def _entry(self, name: str) -> str:
        """A line's legend entry: name, flags, and the intervals whose arms are cut."""
        cut = ", ".join(
            f"{max(point.low, 0.0):.3g} to {point.high:.3g} at {point.x:g}"
            for point in sorted(self.lines[name])
            if point.high > self._end_arm(point.y)
        )
        return f"{name} {self.flags[name]}".strip() + (f" (interval {cut})" if cut else "")

    def _kind(self) -> str:
        return "Line chart"

    def _content(self) -> str:
        values = {
            name: [f"{point.y:.4g} at {point.x:g}" for point in points]
            for name, points in self.lines.items()
        }
        return f"{self.y_label} by {self.x_label}. {join_values(values)}"


def _looks(chart: LineChart) -> dict[str, dict[str, Any]]:
    """The style of each line: marker and dashes differ where lines share a colour."""
    markers, dashes = vary(chart.colours, MARKERS), vary(chart.colours, _DASHES)
    return {
        name: {
            "color": chart.colours[name],
            "marker": markers[name],
            "linestyle": dashes[name],
        }
        for name in chart.lines
    }
