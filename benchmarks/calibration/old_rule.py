"""The old rule: a paired t test with Holm's correction and a permutation test, without looks.

It exists only for the columns *before* in docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from benchmarks.calibration.significance import SpeedupTest, holm, paired
from sd_bench.statistics.decision import DEFAULT_MARGIN

Numbers = NDArray[np.float64]

_FEWEST_ROUNDS, _MOST_ROUNDS = 6, 1000
_ERROR, _EQUIVALENCE_ERROR = 0.04, 0.05
_CHANCE_TO_DECIDE = 0.8
_BOOTSTRAP_TABLES = 400


class Outcome(NamedTuple):
    """Shares of tables with ``faster`` or ``slower`` and with ``same``; shares of comparisons."""

    wrong: float
    tables_same: float
    faster: float
    same: float
    coverage: float


def judge_all(ratios: Numbers, truth: float = 0.0) -> Outcome:
    """Judge log ratios ``[tables, comparisons, rounds]`` whose true value is ``truth``."""
    words, covered = [], []
    for table in ratios:
        tests = [paired(row) for row in table]
        words.append(judge(tests))
        covered += [test.low <= truth <= test.high for test in tests]
    found = np.array(words)
    return Outcome(
        wrong=float(np.isin(found, ("faster", "slower")).any(axis=1).mean()),
        tables_same=float((found == "same").any(axis=1).mean()),
        faster=float((found == "faster").mean()),
        same=float((found == "same").mean()),
        coverage=float(np.mean(covered)),
    )


def judge(tests: Sequence[SpeedupTest]) -> list[str]:
    """The verdicts of a single table."""
    limit = math.log1p(DEFAULT_MARGIN)
    adjusted = holm([test.p for test in tests])
    return [_word(test, p, limit) for test, p in zip(tests, adjusted, strict=True)]


def _word(test: SpeedupTest, p_holm: float, limit: float) -> str:
    if -limit <= test.low and test.high <= limit:
        return "same"
    if p_holm < _ERROR and test.permutation_p < _ERROR:
        return "faster" if test.log_speedup > 0 else "slower"
    return "unclear"


def bootstrap_coverage(ratios: Numbers) -> float:
    """The share of 95 % percentile bootstrap intervals that contain the true log speed-up of 0."""
    tests = [paired(row) for table in ratios[:_BOOTSTRAP_TABLES] for row in table]
    intervals = np.array([test.bootstrap for test in tests])
    return float(((intervals[:, 0] <= 0) & (intervals[:, 1] >= 0)).mean())


def wrong_after_advice(ratios: Numbers, tries: int = 3) -> float:
    """The share of tables with a wrong verdict if users follow the forecast.

    They begin with the fewest rounds that get a verdict. While anything is unclear, they measure as
    many rounds as the table first recommends, up to the rounds available and ``tries`` times.
    """
    wrong = 0
    for table in ratios:
        rounds = _FEWEST_ROUNDS
        for _ in range(tries + 1):
            tests = [paired(row[:rounds]) for row in table]
            words = judge(tests)
            found = "faster" in words or "slower" in words
            unclear = [t for t, word in zip(tests, words, strict=True) if word == "unclear"]
            advice = [needed for t in unclear if (needed := _rounds_needed(t, len(tests)))]
            if found or not advice or min(advice) > ratios.shape[-1]:
                break
            rounds = min(advice)
        wrong += found
    return wrong / len(ratios)


def _rounds_needed(test: SpeedupTest, family: int) -> int | None:
    """The smallest number of rounds at which either test probably decides."""
    rounds = np.arange(test.rounds + 1, _MOST_ROUNDS + 1)
    df, se, limit = rounds - 1, test.unit_se / np.sqrt(rounds), math.log1p(DEFAULT_MARGIN)
    estimate = abs(test.log_speedup)
    differs = stdtr(df, estimate / se - stdtrit(df, 1 - _ERROR / family / 2))
    half_width = stdtrit(df, 1 - _EQUIVALENCE_ERROR / 2)
    ends = [stdtr(df, end / se - half_width) for end in (limit - estimate, limit + estimate)]
    enough = rounds[(differs >= _CHANCE_TO_DECIDE) | (ends[0] + ends[1] - 1 >= _CHANCE_TO_DECIDE)]
    return int(enough[0]) if len(enough) else None
