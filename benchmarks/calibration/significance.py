"""What the rule before tested a pair of cells by: interval, p-value, and two checks beside them.

Everything happens on logarithms, so that a difference is a ratio.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from sd_bench.statistics.intervals import CONFIDENCE, t_quantile

Numbers = NDArray[np.float64]

_RESAMPLES = 1000
_MOST_EXACT = 2**13


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedupTest:
    """The paired t test on log ratios of rounds that ran interleaved.

    ``low`` and ``high`` bound the 95 % interval of ``log_speedup``, ``p`` is two-sided, ``unit_se``
    the standard error that a single pair would have.
    """

    rounds: int
    log_speedup: float
    low: float
    high: float
    p: float
    unit_se: float
    ratios: Numbers

    @property
    def permutation_p(self) -> float:
        """The p-value of flipping signs."""
        return _extreme(_sign_flips(len(self.ratios)) @ self.ratios, float(self.ratios.sum()))

    @property
    def bootstrap(self) -> tuple[float, float]:
        """The 95 % percentile bootstrap interval of ``log_speedup``."""
        means = self.ratios[_resample(len(self.ratios))].mean(axis=1)
        low, high = np.percentile(means, [50 - 50 * CONFIDENCE, 50 + 50 * CONFIDENCE])
        return float(low), float(high)


def paired(ratios: Numbers) -> SpeedupTest:
    """Test log ratios against 0."""
    n, estimate, sd = len(ratios), float(ratios.mean()), float(ratios.std(ddof=1))
    se = sd / math.sqrt(n)
    half_width = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * se
    return SpeedupTest(
        rounds=n,
        log_speedup=estimate,
        low=estimate - half_width,
        high=estimate + half_width,
        p=2 * float(stdtr(n - 1, -abs(estimate) / se)),
        unit_se=sd,
        ratios=ratios,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: each at most 0.05 keeps the family's error at most 0.05."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[at]))
        adjusted[at] = highest
    return adjusted


def _extreme(resampled: Numbers, found: float) -> float:
    """The share of resampled statistics that are at least as far from 0 as the one found."""
    slack = 1e-9 * max(1e-9, abs(found))
    return float(np.mean(np.abs(resampled) >= abs(found) - slack))


@cache
def _sign_flips(n: int) -> Numbers:
    """All patterns of n signs, or a sample of them with the one that was found among it."""
    if 2**n <= _MOST_EXACT:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    signs = np.random.default_rng(n).choice((1.0, -1.0), (_RESAMPLES, n))
    signs[0] = 1.0
    return signs


@cache
def _resample(n: int) -> NDArray[np.int64]:
    return np.random.default_rng((n, 0)).integers(0, n, (_RESAMPLES, n))
