"""The verdicts of a table: faster, slower, same or unclear, and what would decide the unclear ones.

Verdicts follow from an interval whose level accounts for the whole table (Bonferroni) and all looks
(the repeated confidence interval of Jennison and Turnbull 1989): the chance that any interval of
the table misses the true value at any look is at most the plan's error. ``faster`` and ``slower``
mean that the interval excludes 1. ``same`` is two one-sided tests at that level (Schuirmann 1987):
the interval at twice the level lies within the margin. A verdict never contradicts the plain 95 %
interval beside it, which is narrower than either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from sd_bench.statistics.estimate import Estimate
from sd_bench.statistics.forecast import Forecast, forecast
from sd_bench.statistics.sequential import (
    PLAIN_LEVEL,
    LookPlan,
    equivalence_level,
    fewest_rounds,
)
from sd_bench.statistics.serial_correlation import (
    FEWEST_ROUNDS,
    SerialCorrelation,
    check_serial_correlation,
    penalty,
)

Numbers = NDArray[np.float64]
Word = Literal["faster", "slower", "same", "unclear"]

#: Two cells whose speed-up is within this share of 1 count as equally fast.
DEFAULT_MARGIN = 0.01

UNCLEAR, FASTER, SAME, SLOWER = 0, 1, 2, -1
_WORDS: dict[int, Word] = {UNCLEAR: "unclear", FASTER: "faster", SAME: "same", SLOWER: "slower"}


class Interval(NamedTuple):
    """Bounds of a speed-up (a ratio); NaN if the spread is unknown."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict ``word`` on one of ``family`` comparisons, at a look of ``plan``.

    ``level`` is the look's significance level. ``se`` and ``df`` are those of the estimate's log
    speed-up, corrected for serial correlation. ``p`` is the two-sided p-value of no difference, to
    be compared with ``level``. ``too_few_rounds``: there cannot be a verdict yet.
    """

    word: Word
    estimate: Estimate
    plan: LookPlan
    family: int
    margin: float
    level: float
    se: float
    df: float
    p: float
    too_few_rounds: bool

    @property
    def decided(self) -> bool:
        """Whether there is a verdict, so that no further rounds are needed."""
        return self.word != "unclear"

    @property
    def interval(self) -> Interval:
        """The interval with confidence ``1 - level``, on which ``faster`` and ``slower`` rest."""
        return self._interval(self.level)

    @property
    def interval_95(self) -> Interval:
        """The 95 % interval of this comparison alone, as if this were the only look."""
        return self._interval(PLAIN_LEVEL)

    @property
    def widening(self) -> float:
        """The factor on the standard error that accounts for serial correlation."""
        return self.se / self.estimate.se if self.estimate.se > 0 else 1.0

    @property
    def forecast(self) -> Forecast | None:
        """How many more rounds would decide an unclear comparison; ``None`` if it is decided."""
        return None if self.decided else self._forecast(self.estimate.log_speedup, self.margin)

    def exceeds(self, slowdown: float) -> bool | None:
        """Whether the cell is slower than its baseline by more than a share (0.05 is 5 %).

        ``None`` if undecided. True is based on the interval of ``slower``, False on that of
        ``same``: whatever the true slow-down, only one of the two can be wrong.
        """
        if self.too_few_rounds or self.estimate.doubtful:
            return None
        limit = 1 / (1 + slowdown)
        if self.interval.high < limit:
            return True
        return False if self._interval(equivalence_level(self.level)).low > limit else None

    def forecast_excess(self, slowdown: float) -> Forecast:
        """How many more rounds would decide whether the cell is slower by more than that share."""
        return self._forecast(self.estimate.log_speedup + math.log1p(slowdown), 0.0)

    def _forecast(self, center: float, margin: float) -> Forecast:
        rounds = self.estimate.rounds
        return forecast(center, self.se, self.df, rounds, self.plan, margin, self.family)

    def _interval(self, level: float | Numbers) -> Interval:
        half = float(half_width(level, np.asarray(self.se), np.asarray(self.df)))
        center = self.estimate.log_speedup
        return Interval(math.exp(center - half), math.exp(center + half))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableJudgement:
    """The judgements of a table's comparisons, in order, and their common serial correlation."""

    judgements: tuple[Judgement, ...]
    serial_correlation: SerialCorrelation


def judge_table(
    estimates: Sequence[Estimate],
    plan: LookPlan | Sequence[LookPlan],
    margin: float = DEFAULT_MARGIN,
    family: int | None = None,
) -> TableJudgement:
    """A verdict for each comparison, at a look after the rounds so far.

    ``plan`` is one plan for all comparisons, or one for each. ``family`` is the planned number of
    comparisons in the table, if some are missing. ``margin`` is a share: 0.01 is 1 %. Call it at
    the plan's looks, and where a sweep ended between two looks; `looks.follow_looks` does so, and
    keeps earlier verdicts.

    Raises ValueError for a comparison with more rounds than the plan has.
    """
    serial = check_serial_correlation(
        [series for estimate in estimates for series in estimate.residuals]
    )
    family = max(family or 1, len(estimates))
    return TableJudgement(
        judgements=tuple(
            _judge(estimate, serial.assumed_phi, each, margin, family)
            for estimate, each in zip(estimates, list_plans(plan, estimates), strict=True)
        ),
        serial_correlation=serial,
    )


def list_plans(
    plan: LookPlan | Sequence[LookPlan], comparisons: Sequence[object]
) -> Sequence[LookPlan]:
    """One plan per comparison, in order."""
    return [plan] * len(comparisons) if isinstance(plan, LookPlan) else plan


def decide(
    center: Numbers,
    se: Numbers,
    df: Numbers,
    doubtful: NDArray[np.bool_],
    level: float,
    margin: float,
) -> NDArray[np.int8]:
    """Codes of the verdicts on log ratios ``center`` with standard errors ``se``, at a look.

    A doubtful difference stays unclear, however large it is, until there are more rounds.
    """
    limit = math.log1p(margin)
    same = np.abs(center) + half_width(equivalence_level(level), se, df) <= limit
    differs = (np.abs(center) > half_width(level, se, df)) & ~doubtful
    signs = np.where(center > 0, FASTER, SLOWER)
    return np.where(same, SAME, np.where(differs, signs, UNCLEAR)).astype(np.int8)


def half_width(level: float | Numbers, se: Numbers, df: Numbers) -> Numbers:
    """Half the width of a t interval with confidence ``1 - level``; NaN if ``df`` is 0."""
    return stdtrit(df, 1 - level / 2) * se


def widen(se: Numbers, df: Numbers, phi: Numbers, rounds: int) -> tuple[Numbers, Numbers]:
    """Standard error and degrees of freedom, corrected for serial correlation ``phi``.

    ``df`` does not count rounds that were set aside; the result is reduced in proportion.
    """
    if rounds < FEWEST_ROUNDS:
        return se, df
    cost = penalty(phi, rounds)
    return se * cost.widening, df * cost.df / (rounds - 1)


def _judge(estimate: Estimate, phi: float, plan: LookPlan, margin: float, family: int) -> Judgement:
    n = estimate.rounds
    center, raw_se, raw_df, paid_phi = (
        np.asarray(number) for number in (estimate.log_speedup, estimate.se, estimate.df, phi)
    )
    se, df = widen(raw_se, raw_df, paid_phi, n)
    level = plan.level(n, family)
    too_few = n < fewest_rounds(plan.error)
    code = decide(center, se, df, np.asarray(estimate.doubtful), level, margin)
    return Judgement(
        word="unclear" if too_few else _WORDS[int(code)],
        estimate=estimate,
        plan=plan,
        family=family,
        margin=margin,
        level=level,
        se=float(se),
        df=float(df),
        p=_two_sided_p(float(center), float(se), float(df)),
        too_few_rounds=too_few,
    )


def _two_sided_p(center: float, se: float, df: float) -> float:
    if not df > 0:
        return math.nan
    if se == 0:
        return float(center == 0)
    return 2 * float(stdtr(df, -abs(center) / se))
