"""How many more rounds would decide a comparison if its estimate and spread did not change."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from sd_bench.statistics.sequential import RESERVE, LookPlan, equivalence_level, fewest_rounds

Numbers = NDArray[np.float64]

#: The probability of a verdict at the forecast look.
CHANCE_TO_DECIDE = 0.8

_MOST_ROUNDS = 1000

#: This many looks are tried first, then twice as many: a few rounds decide most comparisons.
_LOOKS_AT_ONCE = 32


class Forecast(NamedTuple):
    """How many rounds would probably decide a comparison; ``None`` where that is unknown.

    ``further_rounds`` is how many to add to this sweep, within its plan and one extension, which
    keeps the plan's error; ``None`` if those do not suffice. ``new_sweep_rounds`` is how many a new
    sweep, planned for that many, would need; ``None`` if 1000 are not enough.
    """

    further_rounds: int | None
    new_sweep_rounds: int | None


def forecast(
    center: float, se: float, df: float, rounds: int, plan: LookPlan, margin: float, family: int
) -> Forecast:
    """The first look after ``rounds`` rounds that decides with a chance of 80 %.

    ``center`` and ``se`` are in log ratios. This is the conditional power of Jennison and Turnbull
    (2000, chapter 10) at the observed difference.
    """
    if not df > 0:
        return Forecast(None, None)
    ahead = np.array([n for n in plan.all_looks if n > max(rounds, fewest_rounds(plan.error) - 1)])
    levels = np.array([plan.level(int(n), family) for n in ahead])
    planned = _first(center, se, df, rounds, ahead, levels, margin)
    new = np.arange(fewest_rounds(plan.error), _MOST_ROUNDS + 1)
    level = plan.error * (1 - RESERVE) / family
    return Forecast(
        further_rounds=None if planned is None else planned - rounds,
        new_sweep_rounds=_first(center, se, df, rounds, new, np.full(len(new), level), margin),
    )


def _first(
    center: float,
    se: float,
    df: float,
    rounds: int,
    looks: NDArray[np.int64],
    levels: Numbers,
    margin: float,
) -> int | None:
    """The smallest of ``looks`` at which an interval of its level probably decides.

    For ``same`` both ends of the interval must be within the margin, and either may miss.
    """
    begin, size = 0, _LOOKS_AT_ONCE
    while begin < len(looks):
        part = slice(begin, begin + size)
        found = _first_of(center, se, df, rounds, looks[part], levels[part], margin)
        if found is not None:
            return found
        begin, size = begin + size, 2 * size
    return None


def _first_of(
    center: float,
    se: float,
    df: float,
    rounds: int,
    looks: NDArray[np.int64],
    levels: Numbers,
    margin: float,
) -> int | None:
    dfs = df * (looks - 1) / (rounds - 1)
    ses = np.maximum(se, 1e-12) * np.sqrt(rounds / looks)
    quantiles = stdtrit(dfs, 1 - levels / 2)
    distance, limit = abs(center), math.log1p(margin)
    differs = stdtr(dfs, distance / ses - quantiles)
    narrower = stdtrit(dfs, 1 - equivalence_level(levels) / 2)
    ends = ((limit - distance) / ses, (limit + distance) / ses)
    same = sum(stdtr(dfs, end - narrower) for end in ends) - 1
    enough = looks[(differs >= CHANCE_TO_DECIDE) | (same >= CHANCE_TO_DECIDE)]
    return int(enough[0]) if len(enough) else None
