"""One panel per cell: its runtime over successive sweeps, with changes marked."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.charts.colours import FAINT_INK, GRID, INK, LOST, SAVED
from analysis.charts.kinds.base import Chart, join_values, name_axes
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes

_WIDTH_IN, _PANEL_IN, _BETWEEN_IN = 8.4, 1.55, 0.5
_BELOW_IN = 0.75
_MOST_TICKS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A change before the point ``at``, with the words beside it."""

    at: int
    label: str
    is_slower: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A cell; each point is the sweep's number, seconds, and both ends of the interval.

    ``levels`` are the runtimes before, between and after the changes, in seconds.
    """

    name: str
    points: list[tuple[int, float, float, float]]
    levels: list[float]
    marks: list[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChart(Chart):
    """``sweeps`` are the tick labels of the sweeps by their number."""

    panels: list[Panel]
    sweeps: dict[int, str]
    y_label: str

    def _draw(self, sizes: Sizes) -> Figure:
        sheet = Sheet(_WIDTH_IN, sizes)
        frame = sheet.lay_out(
            title=self.title,
            subtitle=self.subtitle,
            axes_height_in=len(self.panels) * (_PANEL_IN + _BETWEEN_IN),
            below_axes_in=_BELOW_IN + line_height_in(sizes.label),
            origin=self.origin,
        )
        for axes, panel in zip(_split(frame, len(self.panels)), self.panels, strict=True):
            _draw_panel(axes, sizes, panel)
            axes.set_xlim(min(self.sweeps) - 0.5, max(self.sweeps) + 0.5)
        ticks = _thin_out(sorted(self.sweeps))
        axes.set_xticks(ticks, [self.sweeps[tick] for tick in ticks], rotation=35, ha="right")
        name_axes(axes, sheet, y=self.y_label)
        return sheet.figure

    def _kind(self) -> str:
        return "Line charts over sweeps"

    def _content(self) -> str:
        return join_values(
            {
                panel.name: [f"{y:.4g} s" for _, y, _, _ in panel.points]
                + [mark.label for mark in panel.marks]
                for panel in self.panels
            }
        )


def _split(frame: Axes, count: int) -> list[Axes]:
    """Several axes, one below the other, in place of one."""
    figure = frame.figure
    box = frame.get_position()
    frame.remove()
    share = box.height / count
    height = share * _PANEL_IN / (_PANEL_IN + _BETWEEN_IN)
    panels = []
    for number in range(count):
        bottom = box.y1 - number * share - share
        panels.append(figure.add_axes((box.x0, bottom, box.width, height)))
    return panels


def _draw_panel(axes: Axes, sizes: Sizes, panel: Panel) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT_INK)
    axes.tick_params(colors=INK, length=0, labelsize=sizes.label - 1, labelbottom=True)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_xticks([])
    axes.set_title(panel.name, loc="left", fontsize=sizes.label, color=INK, parse_math=False)
    numbers, y, low, high = (list(each) for each in zip(*panel.points, strict=True))
    below = [max(0.0, value - end) for value, end in zip(y, low, strict=True)]
    above = [max(0.0, end - value) for value, end in zip(y, high, strict=True)]
    axes.errorbar(
        numbers, y, yerr=(below, above), color=INK, marker="o", markersize=4.5, capsize=2,
        linewidth=0.8,
    )  # fmt: skip
    axes.margins(y=0.25)
    bounds = [0, *(mark.at for mark in panel.marks), len(numbers)]
    for begin, end, level in zip(bounds, bounds[1:], panel.levels, strict=False):
        axes.plot([numbers[begin], numbers[end - 1]], [level] * 2, color=FAINT_INK, linewidth=2.5,
                  alpha=0.45)  # fmt: skip
    for mark in panel.marks:
        place = (numbers[mark.at - 1] + numbers[mark.at]) / 2
        colour = LOST if mark.is_slower else SAVED
        axes.axvline(place, color=colour, linestyle="--", linewidth=1.4)
        is_left = place > (numbers[0] + numbers[-1]) / 2
        axes.text(
            place,
            0.97,
            f" {mark.label} ",
            transform=axes.get_xaxis_transform(),
            color=INK,
            fontsize=sizes.legend,
            va="top",
            ha="right" if is_left else "left",
            parse_math=False,
        )


def _thin_out(numbers: list[int]) -> list[int]:
    step = -(-len(numbers) // _MOST_TICKS)
    return numbers[::step]
