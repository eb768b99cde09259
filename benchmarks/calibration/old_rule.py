"""The rule before: a paired t test after Holm with a permutation test beside it, no planned looks.

Judges with the functions of `sd_bench.verdicts`, one comparison after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.significance import SpeedupTest, holm, paired, welch
from sd_bench.verdicts.judgement import _ERROR, DEFAULT_MARGIN, ROUNDS_FOR_A_VERDICT, judge_table

Numbers = NDArray[np.float64]

CELLS = 5
SPREAD = 0.005


_BOOTSTRAP_TABLES = 400


class Outcome(NamedTuple):
    """Shares of tables with a ``faster`` or ``slower`` and with a ``same``; of comparisons."""

    wrong: float
    tables_same: float
    faster: float
    same: float
    coverage: float


def judge_all(ratios: Numbers, truth: float = 0.0) -> Outcome:
    """The verdicts of log ratios ``[tables, comparisons, rounds]`` that are truly ``truth``."""
    words, covered = [], []
    for table in ratios:
        tests = [_test(row) for row in table]
        words.append(quick_words(tests))
        covered += [test.low <= truth <= test.high for test in tests]
    found = np.array(words)
    return Outcome(
        wrong=float(np.isin(found, ("faster", "slower")).any(axis=1).mean()),
        tables_same=float((found == "same").any(axis=1).mean()),
        faster=float((found == "faster").mean()),
        same=float((found == "same").mean()),
        coverage=float(np.mean(covered)),
    )


def quick_words(tests: Sequence[SpeedupTest]) -> list[str]:
    """The words of `judge_table`, without the rounds that would decide, which take long to find."""
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
    """The share of 95 % percentile bootstrap intervals that hold a true log speed-up of 0."""
    tests = [_test(row) for table in ratios[:_BOOTSTRAP_TABLES] for row in table]
    intervals = np.array([test.bootstrap for test in tests])
    return float(((intervals[:, 0] <= 0) & (intervals[:, 1] >= 0)).mean())


def wrong_after_advice(ratios: Numbers, tries: int = 3) -> float:
    """The share of tables with a wrong verdict, of users who do as they are told.

    They begin with the fewest rounds that get a verdict, and while something is unclear, measure
    as many rounds as the table names first, up to those that there are and so many times.
    """
    wrong = 0
    for table in ratios:
        rounds = ROUNDS_FOR_A_VERDICT
        for _ in range(tries + 1):
            verdicts = judge_table([_test(row[:rounds]) for row in table])
            found = any(verdict.word in ("faster", "slower") for verdict in verdicts)
            advice = [verdict.rounds_needed for verdict in verdicts if verdict.rounds_needed]
            if found or not advice or min(advice) > ratios.shape[-1]:
                break
            rounds = min(advice)
        wrong += found
    return wrong / len(ratios)


def _test(row: Numbers) -> SpeedupTest:
    return paired(np.exp(row).tolist(), [1.0] * len(row))


Noise = Callable[[np.random.Generator, int], NDArray[np.float64]]
Test = Callable[[list[float], list[float]], SpeedupTest]


def normal(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Seconds ``[cells, rounds]`` with a coefficient of variation of 0.5 %."""
    return 10 * (1 + SPREAD * chance.standard_normal((CELLS + 1, rounds)))


def log_normal(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Seconds with a long tail: a coefficient of variation of about 10 %."""
    return 10 * np.exp(0.1 * chance.standard_normal((CELLS + 1, rounds)))


def drifting(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """A device that grows 5 % slower over the sweep, all cells alike."""
    return normal(chance, rounds) * np.linspace(1, 1.05, rounds)


def bimodal(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Every other round, by chance, runs 5 % slower."""
    return normal(chance, rounds) * chance.choice((1.0, 1.05), (CELLS + 1, rounds))


#: Each kind of noise with the tests that may meet it: a drift is only met where rounds interleave.
TESTED: dict[str, tuple[Noise, tuple[Test, ...]]] = {
    "normal": (normal, (paired, welch)),
    "log-normal": (log_normal, (paired, welch)),
    "drifting": (drifting, (paired,)),
    "bimodal": (bimodal, (paired, welch)),
}


def words(seconds: NDArray[np.float64], test: Test) -> list[str]:
    """The verdicts of a table whose first row is the baseline."""
    baseline, *cells = seconds.tolist()
    return [verdict.word for verdict in judge_table([test(baseline, cell) for cell in cells])]


def wrong_share(kind: str, test: Test, rounds: int, tables: int, seed: int = 0) -> float:
    """The share of A/A tables that hold a ``faster`` or ``slower``."""
    chance = np.random.default_rng((seed, rounds))
    noise, _ = TESTED[kind]
    wrong = ("faster", "slower")
    found = [any(w in wrong for w in words(noise(chance, rounds), test)) for _ in range(tables)]
    return float(np.mean(found))


def found_share(difference: float, test: Test, tables: int, rounds: int = 10) -> float:
    """The share of cells, each faster by ``difference``, that are found to be ``faster``."""
    chance = np.random.default_rng(1)
    verdicts = []
    for _ in range(tables):
        seconds = normal(chance, rounds)
        seconds[1:] /= 1 + difference
        verdicts += words(seconds, test)
    return verdicts.count("faster") / len(verdicts)
