"""Two cells' rounds against each other: interval, p-value, and two checks that assume less.

Everything happens on logarithms, so that a difference is a ratio.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from sd_bench.statistics.intervals import CONFIDENCE, t_quantile

Method = Literal["paired", "welch"]

#: One round among all: (sweep's folder, round). Rounds of one sweep with the same number ran
#: interleaved.
RoundKey = tuple[str, int]

Numbers = NDArray[np.float64]

_RESAMPLES = 1000
_MOST_EXACT = 2**13


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedupTest:
    """A cell tested against its baseline; logarithms of the speed-up ``baseline / cell``.

    ``rounds`` is the number of pairs, or the smaller number of rounds of the two cells.
    ``log_speedup`` is the estimate: the mean log ratio of the pairs, or the difference of the mean
    logarithms. ``baseline_s`` is the mean of the baseline's seconds over the rounds that went into
    it. ``p`` is the two-sided t test's, ``low`` and ``high`` bound its 95 % interval. ``unit_se``
    is the standard error that a single round (or pair) would have. ``samples`` are what was tested:
    the log ratios of the pairs, or the logarithms of the baseline's and of the cell's seconds.
    """

    method: Method
    rounds: int
    log_speedup: float
    baseline_s: float
    low: float
    high: float
    p: float
    unit_se: float
    samples: tuple[Numbers, ...]

    @property
    def permutation_p(self) -> float:
        """The permutation test's p-value: signs of the ratios flipped, or labels exchanged."""
        if self.method == "paired":
            (ratios,) = self.samples
            return _extreme(_sign_flips(len(ratios)) @ ratios, float(ratios.sum()))
        base, logs = self.samples
        pooled = np.concatenate(self.samples)
        pooled -= pooled.mean()  # the sum over one side then says everything
        sums = pooled[_relabelled(len(base), len(logs))].sum(axis=1)
        return _extreme(sums, float(pooled[: len(base)].sum()))

    @property
    def bootstrap(self) -> tuple[float, float]:
        """The 95 % percentile bootstrap interval of ``log_speedup``."""
        sides = [x[_resample(len(x), side)].mean(axis=1) for side, x in enumerate(self.samples)]
        means = sides[0] if self.method == "paired" else sides[0] - sides[1]
        low, high = np.percentile(means, [50 - 50 * CONFIDENCE, 50 + 50 * CONFIDENCE])
        return float(low), float(high)


def compare_rounds(
    baseline: Mapping[RoundKey, float], cell: Mapping[RoundKey, float]
) -> SpeedupTest | None:
    """Compare seconds by round; ``None`` with fewer than two rounds on a side.

    Paired by round where at least half of the rounds of the smaller side have a partner that ran
    interleaved with them, else Welch's test over all rounds.
    """
    if min(len(baseline), len(cell)) < 2:
        return None
    pairs = [key for key in cell if key in baseline]
    if len(pairs) >= max(2, min(len(baseline), len(cell)) / 2):
        return paired([baseline[key] for key in pairs], [cell[key] for key in pairs])
    return welch(list(baseline.values()), list(cell.values()))


def paired(baseline_s: Sequence[float], cell_s: Sequence[float]) -> SpeedupTest:
    """The paired t test on the log ratios of rounds that ran interleaved."""
    ratios = np.log(baseline_s) - np.log(cell_s)
    sd = _sd(ratios)
    error = _Error(sd / math.sqrt(len(ratios)), len(ratios) - 1)
    return _test("paired", float(ratios.mean()), baseline_s, error, sd, (ratios,))


def welch(baseline_s: Sequence[float], cell_s: Sequence[float]) -> SpeedupTest:
    """Welch's t test on the logarithms of rounds that have nothing to do with each other."""
    samples = base, logs = np.log(baseline_s), np.log(cell_s)
    parts = [_sd(x) ** 2 / len(x) for x in samples]
    error = _Error(math.sqrt(sum(parts)), _welch_df(parts, [len(x) for x in samples]))
    unit_se = math.hypot(_sd(base), _sd(logs))
    estimate = float(base.mean() - logs.mean())
    return _test("welch", estimate, baseline_s, error, unit_se, samples)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: each at most 0.05 keeps the family's error at most 0.05."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[at]))
        adjusted[at] = highest
    return adjusted


class _Error(NamedTuple):
    se: float
    df: float


def _test(
    method: Method,
    log_speedup: float,
    baseline_s: Sequence[float],
    error: _Error,
    unit_se: float,
    samples: tuple[Numbers, ...],
) -> SpeedupTest:
    half_width = t_quantile(0.5 + CONFIDENCE / 2, error.df) * error.se
    return SpeedupTest(
        method=method,
        rounds=min(len(x) for x in samples),
        log_speedup=log_speedup,
        baseline_s=math.fsum(baseline_s) / len(baseline_s),
        low=log_speedup - half_width,
        high=log_speedup + half_width,
        p=_two_sided_p(log_speedup, error.se, error.df),
        unit_se=unit_se,
        samples=samples,
    )


def _sd(values: Numbers) -> float:
    """The standard deviation; rounding noise of equal values is none."""
    sd = float(values.std(ddof=1))
    return sd if sd > 1e-12 else 0.0


def _two_sided_p(estimate: float, se: float, df: float) -> float:
    if se == 0:
        return 1.0 if estimate == 0 else 0.0
    return 2 * float(stdtr(df, -abs(estimate) / se))


def _welch_df(parts: list[float], counts: list[int]) -> float:
    """Welch and Satterthwaite's degrees of freedom."""
    total = sum(parts)
    if total == 0:
        return float(sum(counts) - 2)
    shares = (part / total for part in parts)
    return 1 / sum(share**2 / (n - 1) for share, n in zip(shares, counts, strict=True))


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
def _relabelled(n: int, m: int) -> NDArray[np.int64]:
    """Which of n + m rounds are called the baseline's: all choices, or a sample of them."""
    if math.comb(n + m, n) <= _MOST_EXACT:
        return np.array(list(itertools.combinations(range(n + m), n)))
    order = np.random.default_rng((n, m)).permuted(
        np.tile(np.arange(n + m), (_RESAMPLES, 1)), axis=1
    )
    order[0] = np.arange(n + m)
    return order[:, :n]


@cache
def _resample(n: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng((n, seed)).integers(0, n, (_RESAMPLES, n))
