"""Compare a cell and its baseline pair by pair, if their rounds ran in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.estimate import Disturbed, Estimate, Side, group_by_length, log_seconds
from sd_bench.statistics.robust_mean import is_doubtful, robust_mean

Numbers = NDArray[np.float64]

#: Seconds by round of a baseline and of a cell.
Sides = tuple[Mapping[Any, float], Mapping[Any, float]]


def estimate_paired(baseline_s: Mapping[Any, float], cell_s: Mapping[Any, float]) -> Estimate:
    """The robust mean of log ratios over the rounds that both sides have, in order of their keys.

    Arguments are seconds by round. What slows a whole round down affects both sides and cancels
    out. Rounds that only one side has are ignored. With one pair ``se`` is NaN. Raises ValueError
    if there is no pair, and for seconds that are not finite or not above 0.
    """
    (found,) = estimate_all_paired([(baseline_s, cell_s)])
    return found


def estimate_all_paired(comparisons: Sequence[Sides], most: int | None = None) -> list[Estimate]:
    """`estimate_paired` of each, from its first ``most`` pairs if it has more.

    Comparisons of the same number of pairs are one computation.
    """
    shared = [sorted(baseline.keys() & cell.keys())[:most] for baseline, cell in comparisons]
    if not all(shared):
        raise ValueError("the two cells have no round in common")
    found: dict[int, Estimate] = {}
    for places in group_by_length(shared):
        baseline, cell = (
            log_seconds([[comparisons[at][side][key] for key in shared[at]] for at in places])
            for side in (0, 1)
        )
        keys = [shared[at] for at in places]
        found |= zip(places, _estimate(keys, baseline, cell), strict=True)
    return [found[at] for at in range(len(comparisons))]


def _estimate(
    keys: Sequence[Sequence[Any]], baseline: Numbers, cell: Numbers
) -> Iterator[Estimate]:
    """Of comparisons with as many pairs: the logarithms of their seconds are ``[m, n]``."""
    ratios = baseline - cell
    mean = robust_mean(ratios)
    residuals = np.where(mean.kept, ratios - mean.center[:, None], 0.0)
    doubtful = is_doubtful(ratios, mean).tolist()
    numbers = (mean.center.tolist(), mean.se.tolist(), mean.df.tolist())
    for at, (center, se, df) in enumerate(zip(*numbers, strict=True)):
        logs: dict[Side, Numbers] = {"cell": cell[at], "baseline": baseline[at]}
        kept = mean.kept[at]
        centers = {side: float(values[kept].mean()) for side, values in logs.items()}
        off = {side: values - centers[side] for side, values in logs.items()}
        yield Estimate(
            method="paired",
            rounds=len(keys[at]),
            log_speedup=center,
            se=se,
            df=df,
            baseline_s=math.exp(centers["baseline"]),
            cell_s=math.exp(centers["cell"]),
            residuals=(residuals[at],),
            disturbed=tuple(_blame(keys[at][i], off, i) for i in np.flatnonzero(~kept).tolist()),
            doubtful=doubtful[at],
        )


def _blame(key: Any, off: Mapping[Side, Numbers], at: int) -> Disturbed:
    """The pair as disturbed on the side that is farther from its own runtime."""
    side: Side = "cell" if abs(off["cell"][at]) >= abs(off["baseline"][at]) else "baseline"
    return Disturbed(round=key, side=side, times=math.exp(float(off[side][at])))
