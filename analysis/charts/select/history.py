"""The charts of ``history``: cells with a change first, a few panels on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from analysis.charts.kinds.history import HistoryChart, Mark, Panel
from analysis.history.judgement import JudgedHistory
from analysis.wording.history import METHOD, name_commit, name_histories, name_sweeps, size_of

_MOST_PANELS = 6


def select_history_charts(judged: Sequence[JudgedHistory], value: str) -> dict[str, HistoryChart]:
    """The charts by file name without suffix: ``history``, then ``history_2`` and so on.

    ``value`` says in words which of its times a round counts as.
    """
    pairs = list(zip(name_histories(judged), judged, strict=True))
    pairs.sort(key=lambda pair: not pair[1].shifts)
    parts = [pairs[at : at + _MOST_PANELS] for at in range(0, len(pairs), _MOST_PANELS)]
    return {
        "history" if number == 1 else f"history_{number}": _chart(part, judged, value)
        for number, part in enumerate(parts, 1)
    }


def _chart(
    part: Sequence[tuple[str, JudgedHistory]], everyone: Sequence[JudgedHistory], value: str
) -> HistoryChart:
    points = [point for each in everyone for point in each.history.points]
    return HistoryChart(
        title=_title(part, everyone),
        subtitle=f"{value.capitalize()} of each sweep with the 95 % interval over its rounds; the "
        "axes do not begin at zero",
        caption=[METHOD, "Grey: the mean of the sweeps between two changes."],
        origin="; ".join(dict.fromkeys(each.history.machine for each in everyone)),
        panels=[_panel(name, each) for name, each in part],
        sweeps=dict(zip((point.number for point in points), name_sweeps(points), strict=True)),
        y_label=f"{value} [s]",
    )


def _title(part: Sequence[tuple[str, JudgedHistory]], everyone: Sequence[JudgedHistory]) -> str:
    """The change if there is only one, else how many cells changed."""
    changed = sum(bool(each.shifts) for each in everyone)
    (name, first), num_sweeps = part[0], max(len(each.history.points) for each in everyone)
    if changed == 1 and first.shifts:
        newest = first.shifts[-1]
        since = name_sweeps(first.history.points)[newest.at]
        return f"{name}: {size_of(newest)} since {since}"
    if not changed:
        return f"No change in {num_sweeps} sweeps"
    return f"{changed} of {len(everyone)} cells changed in {num_sweeps} sweeps"


def _panel(name: str, judged: JudgedHistory) -> Panel:
    points = judged.history.points
    bounds = [0, *(shift.at for shift in judged.shifts), len(points)]
    return Panel(
        name=name,
        points=[
            (
                point.number,
                point.runtime.seconds,
                _or(point.runtime.low, point.runtime.seconds),
                _or(point.runtime.high, point.runtime.seconds),
            )
            for point in points
        ],
        levels=[
            math.exp(_mean([math.log(p.runtime.seconds) for p in points[begin:end]]))
            for begin, end in pairwise(bounds)
        ],
        marks=[
            Mark(
                at=shift.at,
                label=f"{size_of(shift)} from {name_commit(points[shift.at])} on"
                if points[shift.at].commit
                else size_of(shift),
                is_slower=shift.is_slower,
            )
            for shift in judged.shifts
        ],
    )


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
