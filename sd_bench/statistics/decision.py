"""The verdicts of a table: faster, slower, same or unclear, and what would decide the unclear.

Verdicts follow from the interval at the level of the whole table (Bonferroni) and of all looks (the
repeated confidence interval of Jennison and Turnbull 1989): the chance that any interval of the
table misses at any look is at most the error of the plan. ``faster`` and ``slower`` are intervals
that leave out 1. ``same`` is two one-sided tests at that level (Schuirmann 1987), each of which may
err at one end only: the interval at twice the level lies within the margin. A verdict never
contradicts the plain 95 % interval beside it, which is narrower than either.

Not in use yet: today's verdicts are those of ``sd_bench/verdicts/judgement.py``.
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

#: Two cells whose speed-up is within this share of 1 are the same for all that matters.
DEFAULT_MARGIN = 0.01

UNCLEAR, FASTER, SAME, SLOWER = 0, 1, 2, -1
_WORDS: dict[int, Word] = {UNCLEAR: "unclear", FASTER: "faster", SAME: "same", SLOWER: "slower"}


class Interval(NamedTuple):
    """Bounds of a speed-up, a ratio; NaN where the spread is unknown."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One comparison of a table.

    ``interval`` is what the verdict follows from, with the confidence ``1 - level``;
    ``interval_95`` is for this comparison alone, as if this were the only look. Both are widened
    for serial correlation by the factor ``widening``. ``p`` is the two-sided p-value of no
    difference, to be held against ``level``. ``too_few_rounds`` marks what cannot have a verdict
    yet; ``forecast`` is there for the unclear.
    """

    word: Word
    estimate: Estimate
    interval: Interval
    interval_95: Interval
    level: float
    p: float
    widening: float
    too_few_rounds: bool
    forecast: Forecast | None

    @property
    def decided(self) -> bool:
        """Whether the comparison may rest."""
        return self.word != "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableJudgement:
    """The comparisons of a table in their order, and what their rounds have in common."""

    judgements: tuple[Judgement, ...]
    serial_correlation: SerialCorrelation


def judge_table(
    estimates: Sequence[Estimate],
    plan: LookPlan,
    margin: float = DEFAULT_MARGIN,
    family: int | None = None,
) -> TableJudgement:
    """A verdict for each comparison, at a look after the rounds that there are.

    ``family`` is the number of comparisons in the table that was planned, if some are missing.
    ``margin`` is a share: 0.01 is 1 %. To be called at the plan's looks, and where a sweep ended
    between two of them; `looks.follow_looks` does, and keeps what was decided.

    Raises ValueError for a comparison with more rounds than the plan has.
    """
    serial = check_serial_correlation(
        [series for estimate in estimates for series in estimate.residuals]
    )
    family = max(family or 1, len(estimates))
    return TableJudgement(
        judgements=tuple(
            _judge(estimate, serial.assumed_phi, plan, margin, family) for estimate in estimates
        ),
        serial_correlation=serial,
    )


def decide(
    center: Numbers,
    se: Numbers,
    df: Numbers,
    doubtful: NDArray[np.bool_],
    level: float,
    margin: float,
) -> NDArray[np.int8]:
    """The verdicts of log ratios with these standard errors, at a look of this level.

    A doubtful difference is not found, be it ever so clear: it waits for more rounds.
    """
    limit = math.log1p(margin)
    same = np.abs(center) + half_width(equivalence_level(level), se, df) <= limit
    differs = (np.abs(center) > half_width(level, se, df)) & ~doubtful
    signs = np.where(center > 0, FASTER, SLOWER)
    return np.where(same, SAME, np.where(differs, signs, UNCLEAR)).astype(np.int8)


def half_width(level: float, se: Numbers, df: Numbers) -> Numbers:
    """Half of a t interval with the confidence ``1 - level``; NaN without a degree of freedom."""
    return stdtrit(df, 1 - level / 2) * se


def widen(se: Numbers, df: Numbers, phi: Numbers, rounds: int) -> tuple[Numbers, Numbers]:
    """Standard error and degrees of freedom after paying for serial correlation ``phi``.

    What was set aside is missing in ``df``, and in proportion in the result.
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
    width = half_width(level, se, df)
    too_few = n < fewest_rounds(plan.error)
    code = decide(center, se, df, np.asarray(estimate.doubtful), level, margin)
    word = "unclear" if too_few else _WORDS[int(code)]
    ahead = None
    if word == "unclear":
        ahead = forecast(float(center), float(se), float(df), n, plan, margin, family)
    return Judgement(
        word=word,
        estimate=estimate,
        interval=_interval(center, width),
        interval_95=_interval(center, half_width(PLAIN_LEVEL, se, df)),
        level=level,
        p=_two_sided_p(float(center), float(se), float(df)),
        widening=float(se) / estimate.se if estimate.se > 0 else 1.0,
        too_few_rounds=too_few,
        forecast=ahead,
    )


def _interval(center: Numbers, width: Numbers) -> Interval:
    return Interval(float(np.exp(center - width)), float(np.exp(center + width)))


def _two_sided_p(center: float, se: float, df: float) -> float:
    if not df > 0:
        return math.nan
    if se == 0:
        return float(center == 0)
    return 2 * float(stdtr(df, -abs(center) / se))
