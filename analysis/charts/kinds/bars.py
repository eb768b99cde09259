"""A grouped bar chart: values with intervals, labels if they fit, and gaps with a reason."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from analysis.charts.colours import FAINT_INK, INK, PAPER
from analysis.charts.kinds.base import HATCHES, Chart, fill_area, join_values, name_axes, vary
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes

_AXES_HEIGHT_IN = 3.6
_GROUP_WIDTH = 0.84
_MIN_SHEET_IN, _MAX_SHEET_IN = 7.6, 20.0
_NARROWEST_BAR_IN, _WIDEST_BAR_IN = 0.22, 0.9
_SHEET_WITHOUT_AXES_IN = 1.1
_MOST_TICK_LINES = 6

#: How far an interval's arm may reach, as a multiple of its bar and of the highest bar: a longer
#: arm is cut there and its interval printed.
_LONGEST_ARM, _HIGHEST_ARM = 2.0, 1.3

#: Shown in a gap that is too narrow for its reason.
_NO_BAR = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar with its label, or a gap with its reason. NaN means unknown.

    ``verdict`` is a word below the label, shown if there is room.
    """

    value: float = math.nan
    text: str = ""
    verdict: str = ""
    low: float = math.nan
    high: float = math.nan
    gap: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart(Chart):
    """Bars in groups along the x axis, from zero. ``bars`` is keyed by (group, series)."""

    x_label: str
    y_label: str
    groups: list[str]
    series: list[str]
    colours: dict[str, str]
    bars: dict[tuple[str, str], Bar]

    def _draw(self, sizes: Sizes) -> Figure:
        sheet = Sheet(_sheet_width(self, sizes), sizes)
        axes_in = _AXES_HEIGHT_IN * sizes.height_scale
        group_in = sheet.axes_width_in / len(self.groups)
        bar_in = min(group_in * _GROUP_WIDTH / len(self.series), _WIDEST_BAR_IN * sizes.scale)
        step = bar_in / group_in
        places = {
            (group, name): x + (i - (len(self.series) - 1) / 2) * step
            for x, group in enumerate(self.groups)
            for i, name in enumerate(self.series)
        }
        ticks = [_tick(sheet, group, group_in) for group in self.groups]
        tick_lines = max(tick.count("\n") + 1 for tick in ticks)
        looks = _looks(self)
        patches = [Patch(**looks[name]) for name in self.series]
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend(patches, self.series),
            axes_height_in=axes_in,
            below_axes_in=0.36 * sizes.scale + line_height_in(sizes.label) * tick_lines,
            origin=self.origin,
        )
        axes.set_xticks(range(len(ticks)), ticks, parse_math=False)
        axes.set_xlim(-0.5, len(ticks) - 0.5)
        name_axes(axes, sheet, self.x_label, self.y_label)
        _draw_bars(axes, self, places, step)
        _draw_labels(
            axes, sheet, self, places, _choose_labels(sheet, self, bar_in, axes_in), axes_in
        )
        _draw_gaps(axes, sheet, self, places, bar_in, axes_in)
        return sheet.figure

    def _kind(self) -> str:
        return "Bar chart"

    def _content(self) -> str:
        x_name = self.x_label.partition(" [")[0]
        groups = {f"{x_name} {group}": self._group_content(group) for group in self.groups}
        return f"{self.y_label}. {join_values(groups)}"

    def _group_content(self, group: str) -> Iterable[str]:
        for name in self.series:
            bar = self.bars.get((group, name), Bar(gap="not run"))
            verdict = f" ({bar.verdict})" if bar.verdict else ""
            yield f"{name} {bar.gap or f'{bar.text}{verdict}'}"


def _sheet_width(chart: BarChart, sizes: Sizes) -> float:
    least_in = len(chart.groups) * len(chart.series) * _NARROWEST_BAR_IN * sizes.scale
    least_in /= _GROUP_WIDTH
    least_in += _SHEET_WITHOUT_AXES_IN * sizes.scale
    return sizes.choose_width(min(max(least_in, _MIN_SHEET_IN), _MAX_SHEET_IN), least_in)


def _tick(sheet: Sheet, group: str, group_in: float) -> str:
    lines = sheet.wrap(group, sheet.sizes.tick, group_in * 0.95)
    return "\n".join(lines if len(lines) <= _MOST_TICK_LINES else [*lines[:_MOST_TICK_LINES], "…"])


def _draw_bars(
    axes: Axes, chart: BarChart, places: dict[tuple[str, str], float], step: float
) -> None:
    looks = _looks(chart)
    for name in chart.series:
        drawn = [
            (places[group, name], chart.bars[group, name])
            for group in chart.groups
            if (group, name) in chart.bars and not chart.bars[group, name].gap
        ]
        axes.bar(
            [x for x, _ in drawn],
            [bar.value for _, bar in drawn],
            width=step * 0.92,
            label=name,
            **looks[name],
        )
        known = [(x, bar) for x, bar in drawn if not math.isnan(bar.high)]
        axes.errorbar(
            [x for x, _ in known],
            [bar.value for _, bar in known],
            yerr=(
                [bar.value - max(bar.low, 0.0) for _, bar in known],
                [_top(chart, bar) - bar.value for _, bar in known],
            ),
            fmt="none",
            ecolor=INK,
            elinewidth=1.0,
            capsize=min(3.0, 20 * step),
        )
        cut = [(x, _top(chart, bar)) for x, bar in known if _is_cut(chart, bar)]
        axes.plot([x for x, _ in cut], [y for _, y in cut], "^", color=INK, markersize=4)


def _looks(chart: BarChart) -> dict[str, dict[str, Any]]:
    """The style of each series' bars: a colour, and a hatch where series share one."""
    hatches = vary(chart.colours, HATCHES)
    return {name: fill_area(chart.colours[name], hatches[name]) for name in chart.series}


def _heights(chart: BarChart) -> Iterable[float]:
    return (bar.value for bar in chart.bars.values() if not bar.gap)


def _top(chart: BarChart, bar: Bar) -> float:
    """Where the label begins: at the end of the bar and its interval, or where the arm is cut."""
    if math.isnan(bar.high):
        return bar.value
    highest = _HIGHEST_ARM * max(_heights(chart))
    return min(bar.high, _LONGEST_ARM * bar.value, max(highest, bar.value))


def _is_cut(chart: BarChart, bar: Bar) -> bool:
    return bar.high > _top(chart, bar)


@dataclass(frozen=True, slots=True)
class _Labels:
    """The text above the bars, turned by ``rotation`` degrees, and the height they need."""

    texts: dict[tuple[str, str], str]
    rotation: int
    height_in: float


def _choose_labels(sheet: Sheet, chart: BarChart, bar_in: float, axes_in: float) -> _Labels:
    """The fullest form of label that fits all bars; vertical labels are on one line."""
    bars = {place: bar for place, bar in chart.bars.items() if not bar.gap}
    intervals = {place: _say_cut(chart, bar) for place, bar in bars.items()}
    size = sheet.sizes.value
    line_in = line_height_in(size)
    short = {place: [bar.text, intervals[place]] for place, bar in bars.items()}
    full = {place: [*short[place], bar.verdict] for place, bar in bars.items()}
    for parts in (full, short):
        texts = {place: "\n".join(filter(None, each)) for place, each in parts.items()}
        lines = [line for text in texts.values() for line in text.split("\n")]
        if max((sheet.text_width(line, size) for line in lines), default=0.0) <= bar_in:
            most = max((text.count("\n") + 1 for text in texts.values()), default=1)
            return _Labels(texts, 0, most * line_in)
    texts = {place: " ".join(filter(None, each)) for place, each in short.items()}
    height_in = max((sheet.text_width(text, size) for text in texts.values()), default=0.0)
    if line_in > bar_in * 1.35 or height_in > axes_in / 2:
        return _Labels({}, 0, 0.0)
    return _Labels(texts, 90, height_in)


def _say_cut(chart: BarChart, bar: Bar) -> str:
    """The interval as text if its arm is cut, else empty."""
    return f"({max(bar.low, 0.0):.3g} to {bar.high:.3g})" if _is_cut(chart, bar) else ""


def _draw_labels(
    axes: Axes,
    sheet: Sheet,
    chart: BarChart,
    places: dict[tuple[str, str], float],
    labels: _Labels,
    axes_in: float,
) -> None:
    """Write the labels above bars and intervals, leaving room for the highest."""
    tops = (_top(chart, bar) for bar in chart.bars.values() if not bar.gap)
    top = max(tops, default=1.0) or 1.0
    axes.set_ylim(0, top * axes_in / (axes_in - labels.height_in - 0.12))
    for place, text in labels.texts.items():
        axes.annotate(
            text,
            (places[place], _top(chart, chart.bars[place])),
            xytext=(0, 4 if _is_cut(chart, chart.bars[place]) else 2.5),
            textcoords="offset points",
            rotation=labels.rotation,
            ha="center",
            va="bottom",
            fontsize=sheet.sizes.value,
            color=INK,
            path_effects=[withStroke(linewidth=2, foreground=PAPER)],
            zorder=5,
            parse_math=False,
        )


def _draw_gaps(
    axes: Axes,
    sheet: Sheet,
    chart: BarChart,
    places: dict[tuple[str, str], float],
    bar_in: float,
    axes_in: float,
) -> None:
    gaps = {place: bar.gap for place, bar in chart.bars.items() if bar.gap}
    for place, gap in gaps.items():
        reason = _fit_reason(sheet, gap, bar_in, axes_in * 0.85)
        axes.text(
            places[place],
            0.02,
            reason,
            transform=axes.get_xaxis_transform(),
            rotation=0 if reason == _NO_BAR else 90,
            ha="center",
            va="bottom",
            fontsize=sheet.sizes.value,
            color=FAINT_INK,
            path_effects=[withStroke(linewidth=2, foreground=PAPER)],
            parse_math=False,
        )


def _fit_reason(sheet: Sheet, gap: str, bar_in: float, height_in: float) -> str:
    """As many words of the reason as fit vertically into its gap, or a cross."""
    lines = sheet.wrap(gap, sheet.sizes.value, height_in)
    most = math.floor(bar_in * 1.1 / line_height_in(sheet.sizes.value))
    if lines and not most:
        return _NO_BAR
    return "\n".join(lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} …"])
