"""A grouped bar chart: values with intervals, labels where they fit, gaps with their reason."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from analysis.figures import (
    FAINT_INK,
    INK,
    LABEL_SIZE,
    Sheet,
    line_height_in,
    quiet_fonts,
)
from analysis.formats import percent

_BAR_LABEL_SIZE = 8.0
_AXES_HEIGHT_IN = 3.6
_GROUP_WIDTH = 0.84
_MIN_SHEET_IN, _MAX_SHEET_IN = 7.6, 20.0
_NARROWEST_BAR_IN, _WIDEST_BAR_IN = 0.22, 0.9
_SHEET_WITHOUT_AXES_IN = 1.1

#: An interval that reaches further than this times the highest bar is drawn up to there only.
_LONGEST_INTERVAL = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar in seconds with its label, or a gap with its reason. NaN stands for not known."""

    seconds: float = math.nan
    text: str = ""
    low: float = math.nan
    high: float = math.nan
    improvement_percent: float = math.nan
    gap: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """What to draw. ``bars`` is keyed by (group, series); groups stand along the x axis."""

    title: str
    x_label: str
    y_label: str
    groups: list[str]
    series: list[str]
    colours: dict[str, str]
    bars: dict[tuple[str, str], Bar]
    caption: list[str]


def draw_bars(chart: BarChart) -> Figure:
    """Draw the chart; the y axis begins at zero."""
    with quiet_fonts():
        return _draw(chart)


def _draw(chart: BarChart) -> Figure:
    sheet = Sheet(_sheet_width(chart))
    group_in = sheet.axes_width_in / len(chart.groups)
    bar_in = min(group_in * _GROUP_WIDTH / len(chart.series), _WIDEST_BAR_IN)
    step = bar_in / group_in
    places = {
        (group, name): x + (i - (len(chart.series) - 1) / 2) * step
        for x, group in enumerate(chart.groups)
        for i, name in enumerate(chart.series)
    }
    ticks = [
        "\n".join(sheet.wrap(group, LABEL_SIZE - 1, group_in * 0.95)) for group in chart.groups
    ]
    gaps = _gap_texts(sheet, chart, bar_in)
    tick_lines = max(tick.count("\n") + 1 for tick in ticks)
    axes = sheet.lay_out(
        title=chart.title,
        legend=sheet.legend(
            [Patch(color=chart.colours[name]) for name in chart.series], chart.series
        ),
        axes_height_in=_AXES_HEIGHT_IN,
        below_axes_in=0.36 + line_height_in(LABEL_SIZE) * tick_lines,
        caption=[*chart.caption, *gaps.footnotes, *_clipped_note(chart)],
    )
    _name_axes(axes, chart, ticks)
    _draw_bars(axes, chart, places, step)
    _draw_labels(sheet, axes, chart, places, bar_in)
    for place, text in gaps.texts.items():
        axes.text(
            places[place],
            0.02,
            text,
            transform=axes.get_xaxis_transform(),
            rotation=90 if gaps.rotated else 0,
            ha="center",
            va="bottom",
            fontsize=_BAR_LABEL_SIZE,
            color=FAINT_INK,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            parse_math=False,
        )
    return sheet.figure


def _sheet_width(chart: BarChart) -> float:
    bars_in = len(chart.groups) * len(chart.series) * _NARROWEST_BAR_IN / _GROUP_WIDTH
    return min(max(bars_in + _SHEET_WITHOUT_AXES_IN, _MIN_SHEET_IN), _MAX_SHEET_IN)


def _name_axes(axes: Axes, chart: BarChart, ticks: list[str]) -> None:
    axes.set_xticks(range(len(ticks)), ticks, parse_math=False)
    axes.set_xlim(-0.5, len(ticks) - 0.5)
    axes.set_xlabel(chart.x_label, fontsize=LABEL_SIZE, color=INK, parse_math=False)
    axes.set_ylabel(chart.y_label, fontsize=LABEL_SIZE, color=INK, parse_math=False)


def _draw_bars(
    axes: Axes, chart: BarChart, places: dict[tuple[str, str], float], step: float
) -> None:
    limit = _longest(chart)
    for name in chart.series:
        drawn = [
            (places[group, name], chart.bars[group, name])
            for group in chart.groups
            if (group, name) in chart.bars and not chart.bars[group, name].gap
        ]
        axes.bar(
            [x for x, _ in drawn],
            [bar.seconds for _, bar in drawn],
            width=step * 0.92,
            color=chart.colours[name],
            label=f"{name} ",
        )
        known = [(x, bar) for x, bar in drawn if not math.isnan(bar.high)]
        axes.errorbar(
            [x for x, _ in known],
            [bar.seconds for _, bar in known],
            yerr=(
                [bar.seconds - max(bar.low, 0.0) for _, bar in known],
                [min(bar.high, limit) - bar.seconds for _, bar in known],
            ),
            fmt="none",
            ecolor=INK,
            elinewidth=1.0,
            capsize=min(3.0, 20 * step),
        )
        beyond = [x for x, bar in known if bar.high > limit]
        axes.plot(beyond, [limit] * len(beyond), "^", color=INK, markersize=4)


def _longest(chart: BarChart) -> float:
    return _LONGEST_INTERVAL * max(_heights(chart), default=1.0)


def _heights(chart: BarChart) -> Iterable[float]:
    return (bar.seconds for bar in chart.bars.values() if not bar.gap)


def _top(chart: BarChart, bar: Bar) -> float:
    """Where the bar and its interval end: there its label begins."""
    return bar.seconds if math.isnan(bar.high) else min(bar.high, _longest(chart))


def _clipped_note(chart: BarChart) -> list[str]:
    clipped = any(bar.high > _longest(chart) for bar in chart.bars.values())
    return ["▲ The interval reaches beyond the chart."] if clipped else []


def _draw_labels(
    sheet: Sheet,
    axes: Axes,
    chart: BarChart,
    places: dict[tuple[str, str], float],
    bar_in: float,
) -> None:
    """Label the bars in the fullest form that fits all of them, and make room for it."""
    full = {
        place: _label(bar, with_percent=True) for place, bar in chart.bars.items() if not bar.gap
    }
    short = {
        place: _label(bar, with_percent=False) for place, bar in chart.bars.items() if not bar.gap
    }

    def width(labels: Iterable[str]) -> float:
        lines = (line for label in labels for line in label.split("\n"))
        return max((sheet.text_width(line, _BAR_LABEL_SIZE) for line in lines), default=0.0)

    line_in = line_height_in(_BAR_LABEL_SIZE)
    labels, rotation, height_in = full, 0, 2 * line_in
    if width(full.values()) > bar_in:
        labels, height_in = short, line_in
    if width(short.values()) > bar_in:
        rotation, height_in = 90, width(short.values())
        labels = short if line_in <= bar_in * 1.35 else {}
    top = max((_top(chart, bar) for bar in chart.bars.values() if not bar.gap), default=1.0)
    axes.set_ylim(0, top * _AXES_HEIGHT_IN / (_AXES_HEIGHT_IN - height_in - 0.12))
    for place, label in labels.items():
        axes.annotate(
            label,
            (places[place], _top(chart, chart.bars[place])),
            xytext=(0, 2.5),
            textcoords="offset points",
            rotation=rotation,
            ha="center",
            va="bottom",
            fontsize=_BAR_LABEL_SIZE,
            color=INK,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            parse_math=False,
        )


def _label(bar: Bar, with_percent: bool) -> str:
    if not with_percent or math.isnan(bar.improvement_percent):
        return bar.text
    return f"{bar.text}\n{percent(bar.improvement_percent)}"


@dataclass(frozen=True, slots=True)
class _GapTexts:
    texts: dict[tuple[str, str], str]
    rotated: bool
    footnotes: list[str]


def _gap_texts(sheet: Sheet, chart: BarChart, bar_in: float) -> _GapTexts:
    """The reasons at the gaps if all of them fit, else letters with the reasons in the caption."""
    gaps = {place: bar.gap for place, bar in chart.bars.items() if bar.gap}
    wrapped = {
        reason: sheet.wrap(reason, _BAR_LABEL_SIZE, _AXES_HEIGHT_IN * 0.85)
        for reason in gaps.values()
    }
    line_in = line_height_in(_BAR_LABEL_SIZE)
    if all(len(lines) * line_in <= bar_in * 1.1 for lines in wrapped.values()):
        texts = {place: "\n".join(wrapped[reason]) for place, reason in gaps.items()}
        return _GapTexts(texts, True, [])
    letters = {reason: _letters(at) for at, reason in enumerate(dict.fromkeys(gaps.values()))}
    texts = {place: letters[reason] for place, reason in gaps.items()}
    return _GapTexts(texts, False, [f"{letter}: {reason}" for reason, letter in letters.items()])


def _letters(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    before, last = divmod(number, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)
