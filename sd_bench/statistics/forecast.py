"""How many more rounds would decide a comparison, if its estimate and spread stayed as they are."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from sd_bench.statistics.sequential import RESERVE, LookPlan, equivalence_level, fewest_rounds

Numbers = NDArray[np.float64]

#: How sure to be of a verdict at the look that is named.
CHANCE_TO_DECIDE = 0.8

_MOST_ROUNDS = 1000

#: Most comparisons are decided by few rounds: so many looks are tried first, then twice as many.
_LOOKS_AT_ONCE = 32


class Forecast(NamedTuple):
    """What would probably decide a comparison; ``None`` where that is unknown.

    ``further_rounds`` are those of the plan, its one extension among them: to add just them costs
    nothing of what the plan promises. ``new_sweep_rounds`` is how many a new sweep, planned so
    from its start, would take; ``None`` where 1000 are not enough.
    """

    further_rounds: int | None
    new_sweep_rounds: int | None


def forecast(
    center: float, se: float, df: float, rounds: int, plan: LookPlan, margin: float, family: int
) -> Forecast:
    """The first look that decides with a chance of 80 %, from ``rounds`` on.

    ``center`` and its ``se`` are of log ratios. A conditional power, as in Jennison and Turnbull
    (2000, chapter 10), at the difference that was found.
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
    """The smallest of ``looks`` at which an interval of that level probably decides.

    For ``same`` both ends of the interval must lie within the margin: each may miss.
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
