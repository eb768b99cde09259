"""A line chart of a quantity over numbers, such as images a second over batch sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.charts.kinds.sheet import INK, LABEL_SIZE, Sheet, line_height_in, quiet_fonts
from analysis.series import repeats_of_colours

_MARKERS, _DASHES = "os^DvP*<>hpdX", ("-", "--", ":", "-.")
_WIDTH_IN, _AXES_HEIGHT_IN = 7.6, 3.4


class Point(NamedTuple):
    """A point with its interval, both ends equal to ``y`` where there is none."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """Lines by series name, each in the colour that its series has everywhere.

    ``marks`` are signs that stand behind a name, and that the caption explains.
    """

    title: str
    x_label: str
    y_label: str
    lines: dict[str, list[Point]]
    colours: dict[str, str]
    marks: dict[str, str]
    caption: list[str]

    def draw(self) -> Figure:
        """Draw the chart; the y axis begins at zero, and x has a tick where there is a point."""
        with quiet_fonts():
            return _draw(self)

    def alt(self) -> str:
        """What the chart shows, in words."""
        said = (
            f"{name}: {', '.join(f'{point.y:.4g} at {point.x:g}' for point in points)}"
            for name, points in self.lines.items()
        )
        return f"Line chart. {self.title}. {self.y_label} by {self.x_label}. {'; '.join(said)}."


def _draw(chart: LineChart) -> Figure:
    sheet = Sheet(_WIDTH_IN)
    looks = _looks(chart)
    handles = [Line2D([], [], **looks[name]) for name in chart.lines]
    axes = sheet.lay_out(
        title=chart.title,
        legend=sheet.legend(handles, [f"{n} {chart.marks[n]}".strip() for n in chart.lines]),
        axes_height_in=_AXES_HEIGHT_IN,
        below_axes_in=0.36 + line_height_in(LABEL_SIZE),
        caption=chart.caption,
    )
    for name, points in chart.lines.items():
        x, y, low, high = zip(*sorted(points), strict=True)
        below = [max(0.0, b - a) for a, b in zip(low, y, strict=True)]
        above = [max(0.0, b - a) for a, b in zip(y, high, strict=True)]
        axes.errorbar(x, y, yerr=(below, above), markersize=4.5, capsize=3, **looks[name])
    ticks = sorted({point.x for points in chart.lines.values() for point in points})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(chart.x_label, fontsize=LABEL_SIZE, color=INK)
    axes.set_ylabel(chart.y_label, fontsize=LABEL_SIZE, color=INK)
    return sheet.figure


def _looks(chart: LineChart) -> dict[str, dict[str, Any]]:
    """What each line looks like: another marker and dashes where another has its colour already."""
    repeats = repeats_of_colours(chart.colours)
    return {
        name: {
            "color": chart.colours[name],
            "marker": _MARKERS[repeats[name] % len(_MARKERS)],
            "linestyle": _DASHES[repeats[name] % len(_DASHES)],
        }
        for name in chart.lines
    }
