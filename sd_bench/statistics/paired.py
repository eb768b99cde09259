"""Compare a cell and its baseline pair by pair, if their rounds ran in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.estimate import Disturbed, Estimate, Side, log_seconds
from sd_bench.statistics.robust_mean import is_doubtful, robust_mean

Numbers = NDArray[np.float64]


def estimate_paired(baseline_s: Mapping[Any, float], cell_s: Mapping[Any, float]) -> Estimate:
    """The robust mean of log ratios over the rounds that both sides have, in order of their keys.

    Arguments are seconds by round. What slows a whole round down affects both sides and cancels
    out. Rounds that only one side has are ignored. With one pair ``se`` is NaN. Raises ValueError
    if there is no pair, and for seconds that are not finite or not above 0.
    """
    shared = sorted(baseline_s.keys() & cell_s.keys())
    if not shared:
        raise ValueError("the two cells have no round in common")
    logs: dict[Side, Numbers] = {
        "cell": log_seconds(cell_s[key] for key in shared),
        "baseline": log_seconds(baseline_s[key] for key in shared),
    }
    ratios = logs["baseline"] - logs["cell"]
    mean = robust_mean(ratios)
    centers = {side: float(values[mean.kept].mean()) for side, values in logs.items()}
    off = {side: values - centers[side] for side, values in logs.items()}
    return Estimate(
        method="paired",
        rounds=len(shared),
        log_speedup=float(mean.center),
        se=float(mean.se),
        df=float(mean.df),
        baseline_s=math.exp(centers["baseline"]),
        cell_s=math.exp(centers["cell"]),
        residuals=(np.where(mean.kept, ratios - mean.center, 0.0),),
        disturbed=tuple(_blame(shared[at], off, at) for at in np.flatnonzero(~mean.kept).tolist()),
        doubtful=bool(is_doubtful(ratios, mean)),
    )


def _blame(key: Any, off: Mapping[Side, Numbers], at: int) -> Disturbed:
    """The pair as disturbed on the side that is farther from its own runtime."""
    side: Side = "cell" if abs(off["cell"][at]) >= abs(off["baseline"][at]) else "baseline"
    return Disturbed(round=key, side=side, times=math.exp(float(off[side][at])))
