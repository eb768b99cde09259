"""Judges the histories of cells: where each changed and by how much, or what would be found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.history.change_points import Change, find_changes
from analysis.history.points import CellHistory
from analysis.history.power import fewest_sweeps, findable_shift
from sd_bench.statistics.intervals import CONFIDENCE, t_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A change between two points: ``ratio`` is the seconds after it over the seconds before.

    ``at`` is the first point of the new level; ``low`` and ``high`` are the 95 % interval of the
    ratio, with sweeps as the unit of replication. ``p`` is adjusted for all cells.
    """

    at: int
    ratio: float
    low: float
    high: float
    p: float

    @property
    def is_slower(self) -> bool:
        """Whether the cell takes longer after the change."""
        return self.ratio > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedHistory:
    """A history with its shifts in order.

    ``spread`` is the standard deviation of log runtimes between sweeps of one level, NaN if
    unknown. ``findable`` is the share by which the runtime would have to change in the middle of
    the history to be found with a chance of 80 %; ``None`` if no change could be found. ``needed``
    is the number of sweeps from which on one can.
    """

    history: CellHistory
    shifts: tuple[Shift, ...]
    spread: float
    findable: float | None
    needed: int


def judge_histories(histories: Sequence[CellHistory]) -> list[JudgedHistory]:
    """Judge all histories as one family: at most 5 % of families without a change show one."""
    logs = [[math.log(point.runtime.seconds) for point in h.points] for h in histories]
    series = [
        {point.number: value for point, value in zip(h.points, values, strict=True)}
        for h, values in zip(histories, logs, strict=True)
    ]
    found = find_changes(series)
    return [
        _judge(history, values, changes, len(histories))
        for history, values, changes in zip(histories, logs, found, strict=True)
    ]


def _judge(
    history: CellHistory, logs: Sequence[float], changes: Sequence[Change], num_cells: int
) -> JudgedHistory:
    bounds = [0, *(change.at for change in changes), len(logs)]
    levels = [np.array(logs[a:b]) for a, b in pairwise(bounds)]
    df = len(logs) - len(levels)
    squares = sum(float(((level - level.mean()) ** 2).sum()) for level in levels)
    spread = math.sqrt(squares / df) if df > 0 else math.nan
    shift = findable_shift(len(logs), num_cells)
    return JudgedHistory(
        history=history,
        shifts=tuple(
            _shift(change, before, after, spread, df)
            for change, before, after in zip(changes, levels, levels[1:], strict=False)
        ),
        spread=spread,
        findable=None if shift is None else math.expm1(shift * spread),
        needed=fewest_sweeps(num_cells),
    )


def _shift(
    change: Change,
    before: np.ndarray[tuple[int], np.dtype[np.float64]],
    after: np.ndarray[tuple[int], np.dtype[np.float64]],
    spread: float,
    df: int,
) -> Shift:
    log_ratio = float(after.mean() - before.mean())
    half = t_quantile(0.5 + CONFIDENCE / 2, df) * spread
    half *= math.sqrt(1 / len(before) + 1 / len(after))
    return Shift(
        at=change.at,
        ratio=math.exp(log_ratio),
        low=math.exp(log_ratio - half),
        high=math.exp(log_ratio + half),
        p=change.p,
    )
