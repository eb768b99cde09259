"""The runtime of a single cell: a mean of its rounds that a disturbed round does not change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from sd_bench.statistics.estimate import group_by_length, log_seconds
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
    (found,) = typical_runtimes([seconds])
    return found


def typical_runtimes(cells: Sequence[Sequence[float]]) -> list[Runtime]:
    """`typical_runtime` of many cells in their order, with one computation per number of rounds."""
    if not all(cells):
        raise ValueError("no round")
    found: dict[int, Runtime] = {}
    for places in group_by_length(cells):
        mean = robust_mean(log_seconds([cells[at] for at in places]), LEAST_WITHOUT_PAIRS)
        half = stdtrit(mean.df, 1 - PLAIN_LEVEL / 2) * mean.se  # NaN of one round, as its se
        for at, center, width, kept in zip(
            places, mean.center.tolist(), half.tolist(), mean.kept, strict=True
        ):
            found[at] = Runtime(
                seconds=math.exp(center),
                low=math.exp(center - width),
                high=math.exp(center + width),
                disturbed=tuple(np.flatnonzero(~kept).tolist()),
            )
    return [found[at] for at in range(len(cells))]
