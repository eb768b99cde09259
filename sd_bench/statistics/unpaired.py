"""Compare rounds that did not run in turn, such as those of two sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.estimate import Disturbed, Estimate, Side, log_seconds
from sd_bench.statistics.robust_mean import (
    LEAST_WITHOUT_PAIRS,
    Flags,
    RobustMean,
    is_doubtful,
    robust_mean,
)

Numbers = NDArray[np.float64]


def estimate_unpaired(baseline_s: Mapping[Any, float], cell_s: Mapping[Any, float]) -> Estimate:
    """The difference of the robust means of logarithms, by Welch's (1947) test.

    Arguments are seconds by round, each side in the order of its keys. No test can distinguish a
    faster cell from a cooler day: all that was different between the sweeps is part of the
    difference. If a side has one round, ``se`` is NaN. Raises ValueError if a side has no round,
    and for seconds that are not finite or not above 0.
    """
    if not baseline_s or not cell_s:
        raise ValueError("one of the two sides has no round")
    seconds: dict[Side, Mapping[Any, float]] = {"baseline": baseline_s, "cell": cell_s}
    keys = {side: sorted(rounds) for side, rounds in seconds.items()}
    logs = {side: log_seconds([seconds[side][key] for key in keys[side]]) for side in seconds}
    means = {side: robust_mean(values, LEAST_WITHOUT_PAIRS) for side, values in logs.items()}
    se, df = combine(means["baseline"], means["cell"])
    centers = {side: float(mean.center) for side, mean in means.items()}
    return Estimate(
        method="unpaired",
        rounds=min(len(values) for values in logs.values()),
        log_speedup=centers["baseline"] - centers["cell"],
        se=float(se),
        df=float(df),
        baseline_s=math.exp(centers["baseline"]),
        cell_s=math.exp(centers["cell"]),
        residuals=tuple(
            np.where(means[side].kept, values - centers[side], 0.0) for side, values in logs.items()
        ),
        disturbed=tuple(
            Disturbed(
                round=keys[side][at], side=side, times=math.exp(logs[side][at] - centers[side])
            )
            for side, mean in means.items()
            for at in np.flatnonzero(~mean.kept).tolist()
        ),
        doubtful=bool(
            are_doubtful(logs["baseline"], means["baseline"], logs["cell"], means["cell"])
        ),
    )


def combine(first: RobustMean, second: RobustMean) -> tuple[Numbers, Numbers]:
    """Standard error and degrees of freedom of a difference, by Welch and Satterthwaite.

    If a side's standard error is unknown, the degrees of freedom are 0.
    """
    parts = first.se**2, second.se**2
    total = parts[0] + parts[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = parts[0] ** 2 / first.df + parts[1] ** 2 / second.df
        df = np.where(total > 0, total**2 / spread, first.df + second.df)
    return np.sqrt(total), np.where(np.isnan(total), 0.0, df)


def are_doubtful(
    first: Numbers, first_mean: RobustMean, second: Numbers, second_mean: RobustMean
) -> Flags:
    """Whether the difference depends on setting aside possibly ordinary rounds of either side."""
    sides = ((first, first_mean, second_mean), (second, second_mean, first_mean))
    doubtful = [
        is_doubtful(
            values - other.center[..., None], mean._replace(center=mean.center - other.center)
        )
        for values, mean, other in sides
    ]
    return doubtful[0] | doubtful[1]
