"""Speed-ups over a baseline: a dot with its interval per comparison, and a line at 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.charts.colours import FAINT_INK, GRID, INK, PAPER
from analysis.charts.kinds.base import MARKERS, Chart, join_values, name_axes, vary
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes

_WIDTH_IN, _ROW_IN, _HEADER_IN = 7.6, 0.36, 0.3
_NAMES_SHARE = 0.34
_GAP_IN = 0.12

#: Written above the two sides of the line at 1.
_SLOWER, _FASTER = "← slower", "faster →"

#: The axis reaches at least the first factor to both sides; an interval reaches at most the second
#: factor beyond the furthest dot. A longer one is cut there and printed.
_LEAST_REACH, _LONGEST_ARM = 1.08, 1.35

#: Steps between ticks, and how many ticks there may be; if even the longest step gives too many,
#: ticks double, or are powers of ten.
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
_MOST_TICKS, _BETWEEN_TICKS_IN = 6, 0.06

#: The axes need at least this much beside names and words, else the chart takes the whole page.
_LEAST_AXES_IN = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """One comparison: the speed-up, its interval (NaN: none), and the word of its verdict.

    ``name`` is written beside it, in the colour of ``series``. ``decided``: whether the word is a
    verdict. ``group`` is a heading above all rows that share it.
    """

    name: str
    series: str
    value: float
    low: float = math.nan
    high: float = math.nan
    text: str
    word: str
    decided: bool
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedupChart(Chart):
    """``rows`` from top to bottom, all against the same baseline, on a logarithmic axis."""

    x_label: str
    rows: list[Speedup]
    colours: dict[str, str] = field(default_factory=dict)

    def _draw(self, sizes: Sizes) -> Figure:
        groups = list(dict.fromkeys(row.group for row in self.rows))
        headers = [group for group in groups if group] if len(groups) > 1 else []
        width_in = self._width(sizes, headers)
        sheet = Sheet(width_in, sizes)
        head_in = line_height_in(sizes.tick) + 0.06
        unit = _row_scale(sizes)
        height_in = (_ROW_IN * len(self.rows) + _HEADER_IN * len(headers) + 0.1) * unit
        names_in, words_in = self._columns(sheet, headers)
        left_in = sizes.margin_in + names_in + _GAP_IN
        right_in = _GAP_IN + words_in + sizes.margin_in
        around_in = width_in - 2 * (sizes.margin_in + abs(left_in - right_in) / 2)
        label = sheet.wrap(self.x_label, sizes.label, around_in)
        axes = sheet.lay_out(
            title=self.title,
            subtitle=self.subtitle,
            axes_height_in=height_in,
            above_axes_in=head_in,
            below_axes_in=0.3 * sizes.scale + line_height_in(sizes.label) * len(label),
            origin=self.origin,
            left_in=left_in,
            right_in=right_in,
        )
        places = _places(self.rows, bool(headers))
        axes.set_ylim(height_in / unit, 0)
        axes.set_yticks([])
        _draw_scale(axes, sheet, self, width_in - left_in - right_in)
        name_axes(axes, sheet, "\n".join(label))
        _draw_names(axes, sheet, self.rows, places, names_in, bool(headers))
        _draw_rows(axes, sizes, self, places)
        return sheet.figure

    def _width(self, sizes: Sizes, headers: Sequence[str]) -> float:
        """The width of the sheet, with room for the axes beside names and words."""
        usual_in = sizes.choose_width(_WIDTH_IN)
        beside_in = sum(self._columns(Sheet(usual_in, sizes), headers)) + 2 * _GAP_IN
        return sizes.choose_width(_WIDTH_IN, beside_in + _LEAST_AXES_IN)

    def _columns(self, sheet: Sheet, headers: Sequence[str]) -> tuple[float, float]:
        """The width in inches of the names and of the words beside the axes."""
        names = [sheet.text_width(row.name, sheet.sizes.label) for row in self.rows]
        names += [sheet.text_width(group, sheet.sizes.label) for group in headers]
        words = [sheet.text_width(_say(self, row), sheet.sizes.label) for row in self.rows]
        return min(max(names), sheet.figure.get_figwidth() * _NAMES_SHARE), max(words)

    def _kind(self) -> str:
        return "Chart of speed-ups"

    def _content(self) -> str:
        values: dict[str, list[str]] = {}
        for row in self.rows:
            name = f"{row.name} {row.group}".rstrip()
            values.setdefault(name, []).append(f"{row.text} ({row.word})")
        return f"{self.x_label}. {join_values(values)}"


def _row_scale(sizes: Sizes) -> float:
    """How many times `_ROW_IN` a row is high, so that two lines of a name fit."""
    return max(sizes.scale, (2 * line_height_in(sizes.small) + 0.06) / _ROW_IN)


def _places(rows: Sequence[Speedup], headed: bool) -> list[float]:
    """From the top of the axes to the middle of each row, in inches before `_row_scale`."""
    places, y, group = [], 0.05, None
    for row in rows:
        if headed and row.group != group:
            group = row.group
            y += _HEADER_IN
        places.append(y + _ROW_IN / 2)
        y += _ROW_IN
    return places


def _limits(chart: SpeedupChart) -> tuple[float, float]:
    """The lowest and highest value at which intervals are cut."""
    values = [row.value for row in chart.rows] + [1.0]
    low = min(min(values) / _LONGEST_ARM, 1 / _LEAST_REACH)
    high = max(max(values) * _LONGEST_ARM, _LEAST_REACH)
    lows = [row.low for row in chart.rows if not math.isnan(row.low)]
    highs = [row.high for row in chart.rows if not math.isnan(row.high)]
    return (
        max(low, min([*lows, *values, 1 / _LEAST_REACH])),
        min(high, max([*highs, *values, _LEAST_REACH])),
    )


def _say(chart: SpeedupChart, row: Speedup) -> str:
    """The text to the right of a row, with the interval if its arm is cut."""
    low, high = _limits(chart)
    cut = f" ({row.low:.3g} to {row.high:.3g})" if row.low < low or row.high > high else ""
    return f"{row.text}{cut}  {row.word}"


def _draw_scale(axes: Axes, sheet: Sheet, chart: SpeedupChart, axes_in: float) -> None:
    low, high = _limits(chart)
    margin = (high / low) ** 0.04
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    ticks = _choose_ticks(sheet, low / margin, high * margin, axes_in)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [_name_tick(tick) for tick in ticks])
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.axvline(1.0, color=INK, linewidth=1.4, zorder=2)
    one = math.log(margin / low) / math.log(high / low * margin**2)
    for text, begin, end in ((_SLOWER, 0.0, one), (_FASTER, one, 1.0)):
        if sheet.text_width(text, sheet.sizes.tick) + 0.1 <= (end - begin) * axes_in:
            axes.annotate(
                text,
                ((begin + end) / 2, 1.0),
                xycoords="axes fraction",
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=sheet.sizes.tick,
                color=FAINT_INK,
            )


def _name_tick(tick: float) -> str:
    return f"{tick:.3g}x"


def _choose_ticks(sheet: Sheet, low: float, high: float, axes_in: float) -> list[float]:
    """As many ticks as fit on the logarithmic axis, up to the limit; 1 is one of them."""

    def are_apart(ticks: Sequence[float]) -> bool:
        widths = [sheet.text_width(_name_tick(tick), sheet.sizes.tick) for tick in ticks]
        places = [math.log(tick / low) / math.log(high / low) * axes_in for tick in ticks]
        ends = [place + width / 2 for place, width in zip(places, widths, strict=True)]
        begins = [place - width / 2 for place, width in zip(places, widths, strict=True)]
        return all(b - a >= _BETWEEN_TICKS_IN for a, b in zip(ends, begins[1:], strict=False))

    spaced = ([step * at for at in range(1, math.ceil(high / step))] for step in _STEPS)
    powers = ([base**at for at in range(-9, 10)] for base in (2.0, 10.0, 100.0))
    for ticks in (*spaced, *powers):
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) <= _MOST_TICKS and are_apart(found):
            return found
    return [1.0]


def _draw_names(
    axes: Axes,
    sheet: Sheet,
    rows: Sequence[Speedup],
    places: Sequence[float],
    names_in: float,
    headed: bool,
) -> None:
    """Write the names left of the axes, and the name of a group above its first row."""
    group = None
    for row, y in zip(rows, places, strict=True):
        lines = list(_place_name(sheet, row.name, y, names_in))
        if headed and row.group != group:
            group = row.group
            header = sheet.cut(group, sheet.sizes.label, names_in)
            lines.append((y - (_ROW_IN + _HEADER_IN) / 2, header, sheet.sizes.label, FAINT_INK))
        for place, text, size, colour in lines:
            axes.annotate(
                text,
                (0.0, place),
                xycoords=("axes fraction", "data"),
                xytext=(-_GAP_IN * 72, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=size,
                color=colour,
                parse_math=False,
            )


def _place_name(
    sheet: Sheet, name: str, y: float, width_in: float
) -> Iterator[tuple[float, str, float, str]]:
    """Position, text, size and colour of a row's name; a long one is on two lines of small type."""
    if sheet.text_width(name, sheet.sizes.label) <= width_in:
        yield y, name, sheet.sizes.label, INK
        return
    first, *others = sheet.wrap(name, sheet.sizes.small, width_in)
    if not others:
        yield y, first, sheet.sizes.small, INK
        return
    size = sheet.sizes.small
    apart_in = line_height_in(size) / 2 / _row_scale(sheet.sizes)
    yield y - apart_in, first, size, INK
    yield y + apart_in, sheet.cut(" ".join(others), size, width_in), size, INK


def _draw_rows(axes: Axes, sizes: Sizes, chart: SpeedupChart, places: Sequence[float]) -> None:
    low, high = _limits(chart)
    markers = vary(chart.colours, MARKERS)
    for row, y in zip(chart.rows, places, strict=True):
        colour = chart.colours[row.series]
        if not math.isnan(row.low):
            ends = max(row.low, low), min(row.high, high)
            axes.plot(ends, (y, y), color=colour, linewidth=4 if row.decided else 2.5, zorder=3)
            cut = [("<", row.low < low, ends[0]), (">", row.high > high, ends[1])]
            for marker, is_cut, x in cut:
                if is_cut:
                    axes.plot([x], [y], marker, color=colour, markersize=7 * sizes.scale, zorder=3)
        axes.plot(
            [row.value],
            [y],
            markers[row.series],
            color=colour,
            markerfacecolor=colour if row.decided else PAPER,
            markeredgewidth=2,
            markersize=10 * sizes.scale,
            zorder=4,
        )
        axes.annotate(
            _say(chart, row),
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(_GAP_IN * 72, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=sizes.label,
            color=INK if row.decided else FAINT_INK,
            parse_math=False,
        )
