"""Verdicts: whether a cell is faster, slower or the same as its baseline, or why nobody can say.

A table is judged as a whole, since with many comparisons one of them looks significant by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from sd_bench.statistics.significance import SpeedupTest, holm

VERDICTS = ("faster", "slower", "same", "unclear", "too few rounds")

#: Fewer rounds get no verdict: with six, a sign-flip test can be below 5 % for the first time.
ROUNDS_FOR_A_VERDICT = 6

#: Two cells whose speed-up is within this share of 1 are the same for all that matters.
DEFAULT_MARGIN = 0.01

#: A table's chance of a wrong ``faster`` or ``slower`` by the t test's own account. Below the 5 %
#: that are promised: times are not normally distributed (docs/statistics.md).
_ERROR = 0.04
_EQUIVALENCE_ERROR = 0.05
_MOST_ROUNDS = 1000
_CHANCE_TO_DECIDE = 0.8


@dataclass(frozen=True, slots=True)
class Verdict:
    """``word`` is one of `VERDICTS`; ``p_holm`` the corrected p-value, NaN without a verdict.

    ``rounds_needed`` would decide an unclear comparison with a chance of 80 %, if estimate and
    spread stayed as they are; ``None`` where it is decided, or where 1000 are not enough.
    """

    word: str
    p_holm: float
    rounds_needed: int | None = None

    def __str__(self) -> str:
        """As it stands in a table."""
        if self.word == "unclear":
            needed = f"about {self.rounds_needed}" if self.rounds_needed else "over 1000"
            return f"unclear ({needed} rounds would decide)"
        if self.word == "too few rounds":
            return f"too few rounds (needs {ROUNDS_FOR_A_VERDICT})"
        return self.word


def judge_table(tests: Sequence[SpeedupTest], margin: float = DEFAULT_MARGIN) -> list[Verdict]:
    """A verdict for each test of one table.

    ``same``: the 95 % interval of the speed-up lies within ``1 / (1 + margin)`` to ``1 + margin``.
    ``faster`` and ``slower``: not that, Holm's p-value over the table is below 4 %, and so is the
    permutation test's own. Tests of too few rounds are not part of the family.
    """
    judged = [test for test in tests if test.rounds >= ROUNDS_FOR_A_VERDICT]
    adjusted = iter(holm([test.p for test in judged]))
    return [
        _judge(test, next(adjusted), margin, len(judged))
        if test.rounds >= ROUNDS_FOR_A_VERDICT
        else Verdict("too few rounds", math.nan)
        for test in tests
    ]


def _judge(test: SpeedupTest, p_holm: float, margin: float, family: int) -> Verdict:
    limit = math.log1p(margin)
    if -limit <= test.low and test.high <= limit:
        return Verdict("same", p_holm)
    if p_holm < _ERROR and test.permutation_p < _ERROR:
        return Verdict("faster" if test.log_speedup > 0 else "slower", p_holm)
    return Verdict("unclear", p_holm, _rounds_needed(test, limit, family))


def _rounds_needed(test: SpeedupTest, limit: float, family: int) -> int | None:
    """The smallest number of rounds at which either test probably decides.

    ``same`` is two one-sided tests that must both pass: near equality each end of the interval
    may miss, so that each needs a chance of 90 % there.
    """
    rounds = np.arange(test.rounds + 1, _MOST_ROUNDS + 1)
    df = (rounds - 1) * (1 if test.method == "paired" else 2)
    se = test.unit_se / np.sqrt(rounds)
    estimate = abs(test.log_speedup)
    differs = stdtr(df, estimate / se - stdtrit(df, 1 - _ERROR / family / 2))
    half_width = stdtrit(df, 1 - _EQUIVALENCE_ERROR / 2)
    ends = [stdtr(df, end / se - half_width) for end in (limit - estimate, limit + estimate)]
    same = ends[0] + ends[1] - 1
    enough = rounds[(differs >= _CHANCE_TO_DECIDE) | (same >= _CHANCE_TO_DECIDE)]
    return int(enough[0]) if len(enough) else None
