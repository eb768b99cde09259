"""The runtime of a single cell: a mean of its rounds that a disturbed round does not change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from sd_bench.statistics.estimate import log_seconds
from sd_bench.statistics.robust_mean import LEAST_WITHOUT_PAIRS, robust_mean
from sd_bench.statistics.sequential import PLAIN_LEVEL


class Runtime(NamedTuple):
    """A cell's mean seconds with the 95 % t interval, and the indices of rounds set aside.

    ``low`` and ``high`` are NaN with only one round.
    """

    seconds: float
    low: float
    high: float
    disturbed: tuple[int, ...]


def typical_runtime(seconds: Sequence[float]) -> Runtime:
    """The geometric mean over the rounds, as shown beside a speed-up.

    Raises ValueError if there is no round, and for seconds that are not finite or not above 0.
    """
    logs = log_seconds(seconds)
    if not len(logs):
        raise ValueError("no round")
    mean = robust_mean(logs, LEAST_WITHOUT_PAIRS)
    half = float(stdtrit(mean.df, 1 - PLAIN_LEVEL / 2) * mean.se) if mean.df > 0 else math.nan
    center = float(mean.center)
    return Runtime(
        seconds=math.exp(center),
        low=math.exp(center - half),
        high=math.exp(center + half),
        disturbed=tuple(np.flatnonzero(~mean.kept).tolist()),
    )
