"""A grouped bar chart: values with intervals, labels where they fit, gaps with their reason."""

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
from analysis.charts.kinds.sheet import LABEL_SIZE, Sheet, line_height_in
from analysis.formatting import percent

_BAR_LABEL_SIZE = 8.0
_AXES_HEIGHT_IN = 3.6
_GROUP_WIDTH = 0.84
_MIN_SHEET_IN, _MAX_SHEET_IN = 7.6, 20.0
_NARROWEST_BAR_IN, _WIDEST_BAR_IN = 0.22, 0.9
_SHEET_WITHOUT_AXES_IN = 1.1
_MOST_TICK_LINES = 6

#: Letters in gaps that the caption explains.
_MOST_GAPS_EXPLAINED = 12

#: An interval that reaches further than this times the highest bar is drawn up to there only.
_LONGEST_INTERVAL = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar with its label, or a gap with its reason. NaN stands for not known."""

    value: float = math.nan
    text: str = ""
    low: float = math.nan
    high: float = math.nan
    improvement_percent: float = math.nan
    gap: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart(Chart):
    """Bars in groups along the x axis, from zero. ``bars`` is keyed by (group, series).

    ``percent_caption`` begins the caption if there is room for percentages on the bars.
    """

    x_label: str
    y_label: str
    groups: list[str]
    series: list[str]
    colours: dict[str, str]
    bars: dict[tuple[str, str], Bar]
    percent_caption: str = ""

    def _draw(self) -> Figure:
        sheet = Sheet(_sheet_width(self))
        group_in = sheet.axes_width_in / len(self.groups)
        bar_in = min(group_in * _GROUP_WIDTH / len(self.series), _WIDEST_BAR_IN)
        step = bar_in / group_in
        places = {
            (group, name): x + (i - (len(self.series) - 1) / 2) * step
            for x, group in enumerate(self.groups)
            for i, name in enumerate(self.series)
        }
        ticks = [_tick(sheet, group, group_in) for group in self.groups]
        gaps = _place_gaps(sheet, self, bar_in)
        labels = _choose_labels(sheet, self, bar_in)
        tick_lines = max(tick.count("\n") + 1 for tick in ticks)
        looks = _looks(self)
        patches = [Patch(**looks[name]) for name in self.series]
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend(patches, self.series),
            axes_height_in=_AXES_HEIGHT_IN,
            below_axes_in=0.36 + line_height_in(LABEL_SIZE) * tick_lines,
            caption=[*labels.caption, *self.caption, *gaps.caption, *_clipped_caption(self)],
        )
        axes.set_xticks(range(len(ticks)), ticks, parse_math=False)
        axes.set_xlim(-0.5, len(ticks) - 0.5)
        name_axes(axes, self.x_label, self.y_label)
        _draw_bars(axes, self, places, step)
        _draw_labels(axes, self, places, labels)
        _draw_gaps(axes, places, gaps)
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
            yield f"{name} {bar.gap or bar.text}"


def _sheet_width(chart: BarChart) -> float:
    bars_in = len(chart.groups) * len(chart.series) * _NARROWEST_BAR_IN / _GROUP_WIDTH
    return min(max(bars_in + _SHEET_WITHOUT_AXES_IN, _MIN_SHEET_IN), _MAX_SHEET_IN)


def _tick(sheet: Sheet, group: str, group_in: float) -> str:
    lines = sheet.wrap(group, LABEL_SIZE - 1, group_in * 0.95)
    return "\n".join(lines if len(lines) <= _MOST_TICK_LINES else [*lines[:_MOST_TICK_LINES], "…"])


def _draw_bars(
    axes: Axes, chart: BarChart, places: dict[tuple[str, str], float], step: float
) -> None:
    limit, looks = _longest(chart), _looks(chart)
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
                [min(bar.high, limit) - bar.value for _, bar in known],
            ),
            fmt="none",
            ecolor=INK,
            elinewidth=1.0,
            capsize=min(3.0, 20 * step),
        )
        beyond = [x for x, bar in known if bar.high > limit]
        axes.plot(beyond, [limit] * len(beyond), "^", color=INK, markersize=4)


def _looks(chart: BarChart) -> dict[str, dict[str, Any]]:
    """What each series' areas look like: a colour, and a hatch where another has it already."""
    hatches = vary(chart.colours, HATCHES)
    return {name: fill_area(chart.colours[name], hatches[name]) for name in chart.series}


def _longest(chart: BarChart) -> float:
    return _LONGEST_INTERVAL * max(_heights(chart), default=1.0)


def _heights(chart: BarChart) -> Iterable[float]:
    return (bar.value for bar in chart.bars.values() if not bar.gap)


def _top(chart: BarChart, bar: Bar) -> float:
    """Where the bar and its interval end: there its label begins."""
    return bar.value if math.isnan(bar.high) else min(bar.high, _longest(chart))


def _clipped_caption(chart: BarChart) -> list[str]:
    clipped = any(bar.high > _longest(chart) for bar in chart.bars.values())
    return ["▲ The interval reaches beyond the chart."] if clipped else []


@dataclass(frozen=True, slots=True)
class _Labels:
    """What stands above the bars, turned by ``rotation`` degrees, and the room that it needs."""

    texts: dict[tuple[str, str], str]
    rotation: int
    height_in: float
    caption: list[str]


def _choose_labels(sheet: Sheet, chart: BarChart, bar_in: float) -> _Labels:
    """The fullest form of label that fits all bars."""
    bars = {place: bar for place, bar in chart.bars.items() if not bar.gap}
    line_in = line_height_in(_BAR_LABEL_SIZE)

    def width(lines: Iterable[str]) -> float:
        return max((sheet.text_width(line, _BAR_LABEL_SIZE) for line in lines), default=0.0)

    texts = {place: bar.text for place, bar in bars.items()}
    percents = {
        place: percent(bar.improvement_percent)
        for place, bar in bars.items()
        if not math.isnan(bar.improvement_percent)
    }
    text_in = width(texts.values())
    if percents and max(text_in, width(percents.values())) <= bar_in:
        both = {place: f"{texts[place]}\n{text}" for place, text in percents.items()}
        return _Labels(texts | both, 0, 2 * line_in, [chart.percent_caption])
    if text_in <= bar_in:
        return _Labels(texts, 0, line_in, [])
    return _Labels(texts if line_in <= bar_in * 1.35 else {}, 90, text_in, [])


def _draw_labels(
    axes: Axes, chart: BarChart, places: dict[tuple[str, str], float], labels: _Labels
) -> None:
    """Write the labels, and make room for the highest: above a short interval, across a long."""
    tops = (_top(chart, bar) for bar in chart.bars.values() if not bar.gap)
    top = max(tops, default=1.0) or 1.0
    highest = top * _AXES_HEIGHT_IN / (_AXES_HEIGHT_IN - labels.height_in - 0.12)
    axes.set_ylim(0, highest)
    for place, text in labels.texts.items():
        bar = chart.bars[place]
        arm_in = (_top(chart, bar) - bar.value) / highest * _AXES_HEIGHT_IN
        across = arm_in > 1.5 * labels.height_in
        axes.annotate(
            text,
            (places[place], bar.value if across else _top(chart, bar)),
            xytext=(0, 2.5),
            textcoords="offset points",
            rotation=labels.rotation,
            ha="center",
            va="bottom",
            fontsize=_BAR_LABEL_SIZE,
            color=INK,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5} if across else None,
            path_effects=[withStroke(linewidth=2, foreground=PAPER)],
            zorder=5,
            parse_math=False,
        )


@dataclass(frozen=True, slots=True)
class _Gaps:
    """What stands in the gaps: upright reasons, or letters that the caption explains."""

    reasons: dict[tuple[str, str], str]
    letters: dict[tuple[str, str], str]
    caption: list[str]


def _place_gaps(sheet: Sheet, chart: BarChart, bar_in: float) -> _Gaps:
    reasons: dict[tuple[str, str], str] = {}
    letters: dict[tuple[str, str], str] = {}
    letter_of: dict[str, str] = {}
    for place, bar in chart.bars.items():
        lines = sheet.wrap(bar.gap, _BAR_LABEL_SIZE, _AXES_HEIGHT_IN * 0.85)
        if lines and len(lines) * line_height_in(_BAR_LABEL_SIZE) <= bar_in * 1.1:
            reasons[place] = "\n".join(lines)
        elif lines:
            letters[place] = letter_of.setdefault(bar.gap, _letters(len(letter_of)))
    caption = [f"{letter}: {gap}" for gap, letter in letter_of.items()]
    more = len(caption) - _MOST_GAPS_EXPLAINED
    if more > 0:
        caption[_MOST_GAPS_EXPLAINED:] = [f"{more} further reasons are in the tables."]
    return _Gaps(reasons, letters, caption)


def _draw_gaps(axes: Axes, places: dict[tuple[str, str], float], gaps: _Gaps) -> None:
    for texts, rotation in ((gaps.reasons, 90), (gaps.letters, 0)):
        for place, text in texts.items():
            axes.text(
                places[place],
                0.02,
                text,
                transform=axes.get_xaxis_transform(),
                rotation=rotation,
                ha="center",
                va="bottom",
                fontsize=_BAR_LABEL_SIZE,
                color=FAINT_INK,
                path_effects=[withStroke(linewidth=2, foreground=PAPER)],
                parse_math=False,
            )


def _letters(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    before, last = divmod(number, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)
