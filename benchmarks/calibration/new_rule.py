"""Judges many tables at once by the rule of `sd_bench.statistics`, look after look.

Does the same as `follow_looks`, on arrays (a test compares the two).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.decision import (
    DEFAULT_MARGIN,
    FASTER,
    SAME,
    SLOWER,
    UNCLEAR,
    decide,
    half_width,
    widen,
)
from sd_bench.statistics.robust_mean import (
    LEAST_WITHOUT_PAIRS,
    RobustMean,
    is_doubtful,
    robust_mean,
)
from sd_bench.statistics.sequential import LookPlan
from sd_bench.statistics.serial_correlation import (
    CAUTION,
    FLAG_ERROR,
    draw_lag_one,
    lag_one,
    permutation_p,
    phi_to_pay,
)
from sd_bench.statistics.unpaired import are_doubtful, combine

Numbers = NDArray[np.float64]

#: Permutations for the flag of a table; the rule itself draws more.
_DRAWS = 199


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The parts that `choices` varies; the defaults are the rule of `sd_bench.statistics`."""

    mean: Callable[[Numbers], RobustMean] = robust_mean
    caution: float | None = CAUTION
    same_at_half_level: bool = False
    sign_flip: float = 1.0
    doubt: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of each comparison ``[tables, comparisons]`` at the look that decided it.

    ``phi`` ``[tables]`` is the last look's estimate. ``low`` and ``high`` bound the plain 95 %
    interval of the log speed-up, ``adjusted_low`` and ``adjusted_high`` the interval adjusted for
    the family.
    """

    words: NDArray[np.int8]
    rounds: NDArray[np.int64]
    centers: Numbers
    low: Numbers
    high: Numbers
    adjusted_low: Numbers
    adjusted_high: Numbers

    @property
    def wrong(self) -> float:
        """The share of tables with a ``faster`` or ``slower``."""
        return float(np.isin(self.words, (FASTER, SLOWER)).any(axis=1).mean())

    def share(self, word: int) -> float:
        """The share of comparisons with this verdict."""
        return float((self.words == word).mean())

    def coverage(self, truth: float = 0.0) -> float:
        """The share of plain intervals that contain the true log speed-up."""
        return float(((self.low <= truth) & (truth <= self.high)).mean())

    def tables_missed(self, truth: float = 0.0) -> float:
        """The share of tables with an adjusted interval that misses the true log speed-up."""
        inside = (self.adjusted_low <= truth) & (truth <= self.adjusted_high)
        return float((~inside).any(axis=1).mean())


@dataclass(slots=True)
class _State:
    """The tables between looks; a decided comparison keeps its results."""

    active: NDArray[np.bool_]
    rounds: NDArray[np.int64]
    autocorrelations: Numbers
    results: dict[str, Numbers] = field(default_factory=dict)

    def keep(self, name: str, values: Numbers) -> None:
        """Set the results of the comparisons that are not yet decided."""
        self.results[name] = np.where(self.active, values, self.results.get(name, values))


def levels_of(plan: LookPlan, family: int, extended: bool = False) -> dict[int, float]:
    """The level of each look of a plan."""
    looks = plan.all_looks if extended else plan.looks
    return {rounds: plan.level(rounds, family) for rounds in looks}


def follow(
    ratios: Numbers,
    levels: Mapping[int, float],
    rule: Rule | None = None,
    margin: float = DEFAULT_MARGIN,
) -> Outcome:
    """Judge log ratios ``[tables, comparisons, rounds]`` at each look, until all are decided."""
    rule = rule or Rule()
    shape = ratios.shape[:2]
    state = _State(np.ones(shape, dtype=bool), np.zeros(shape, dtype=np.int64), np.zeros(shape))
    words = np.full(shape, UNCLEAR, dtype=np.int8)
    for rounds, level in levels.items():
        seen = ratios[..., :rounds]
        mean = rule.mean(seen)
        residuals = np.where(mean.kept, seen - mean.center[..., None], 0.0)
        found = lag_one(residuals)
        state.autocorrelations = np.where(state.active, found, state.autocorrelations)
        state.rounds = np.where(state.active, rounds, state.rounds)
        se, df = mean.se, mean.df
        if rule.caution is not None:
            phi = phi_to_pay(state.autocorrelations, state.rounds, rule.caution)
            se, df = widen(se, df, phi[:, None], rounds)
        adjusted, plain = half_width(level, se, df), half_width(0.05, se, df)
        doubtful = is_doubtful(seen, mean) & rule.doubt
        new = decide(mean.center, se, df, doubtful, level, margin)
        if rule.same_at_half_level:
            outside = np.abs(mean.center) + adjusted > np.log1p(margin)
            clear = (np.abs(mean.center) > adjusted) & ~doubtful
            differs = np.where(clear, np.sign(mean.center), UNCLEAR)
            new = np.where(outside & (new == SAME), differs, new).astype(np.int8)
        if rule.sign_flip < 1:
            doubted = np.abs(new) == FASTER
            flipped = sign_flip_p(np.where(mean.kept, seen, 0.0)) > rule.sign_flip
            new = np.where(doubted & flipped, UNCLEAR, new)
        state.keep("centers", mean.center)
        for name, width in (("", plain), ("adjusted_", adjusted)):
            state.keep(f"{name}low", mean.center - width)
            state.keep(f"{name}high", mean.center + width)
        words = np.where(state.active, new, words)
        state.active = state.active & (new == UNCLEAR)
    return Outcome(words=words, rounds=state.rounds, **state.results)


def judge_unpaired(before: Numbers, after: Numbers, level: float) -> tuple[float, float]:
    """Shares of wrong tables and of plain 95 % intervals that contain 0, for unpaired sides.

    The arguments are log seconds ``[tables, comparisons, rounds]`` of two sweeps in which nothing
    differs.
    """
    sides = [robust_mean(side, LEAST_WITHOUT_PAIRS) for side in (before, after)]
    found = [
        lag_one(np.where(mean.kept, side - mean.center[..., None], 0.0))
        for mean, side in zip(sides, (before, after), strict=True)
    ]
    pooled, rounds = np.concatenate(found, axis=-1), before.shape[-1]
    phi = phi_to_pay(pooled, np.full(pooled.shape, rounds))[:, None]
    se, df = widen(*combine(*sides), phi, rounds)
    center = sides[0].center - sides[1].center
    doubtful = are_doubtful(before, sides[0], after, sides[1])
    words = decide(center, se, df, doubtful, level, DEFAULT_MARGIN)
    wrong = np.isin(words, (FASTER, SLOWER)).any(axis=1).mean()
    return float(wrong), float((np.abs(center) <= half_width(0.05, se, df)).mean())


def flagged(ratios: Numbers) -> float:
    """The share of tables whose rounds are flagged as serially correlated."""
    mean = robust_mean(ratios)
    residuals = np.where(mean.kept, ratios - mean.center[..., None], 0.0)
    flags = []
    for part in np.array_split(residuals, max(1, len(residuals) // 100)):
        drawn = draw_lag_one(part, _DRAWS).mean(axis=1)
        flags.append(permutation_p(lag_one(part).mean(axis=1), drawn) <= FLAG_ERROR)
    return float(np.concatenate(flags).mean())


def sign_flip_p(values: Numbers) -> Numbers:
    """The two-sided p-value of the sum among all (or 2000) patterns of flipped signs."""
    n = values.shape[-1]
    patterns = np.arange(2**n) if n <= 11 else np.random.default_rng(n).integers(0, 2**n, 2000)
    signs = 1.0 - 2.0 * ((patterns[:, None] >> np.arange(n)) & 1)
    signs[0] = 1.0
    size = np.abs(values.sum(axis=-1))[..., None] * (1 - 1e-9)
    return (np.abs(values @ signs.T) >= size).mean(axis=-1)
