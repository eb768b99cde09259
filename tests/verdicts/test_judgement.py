"""Verdicts: which word stands for which rounds, and how often it is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.calibration.old_rule import TESTED, found_share, wrong_share
from sd_bench.statistics.significance import SpeedupTest, paired, welch
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT, Verdict, judge_table


def against(speedup: float, spread: float, rounds: int = 10) -> SpeedupTest:
    """Pairs whose log ratios have exactly this mean and standard deviation."""
    noise = np.linspace(-1, 1, rounds)
    ratios = math.log(speedup) + spread * noise / noise.std(ddof=1)
    return paired(np.exp(ratios).tolist(), [1.0] * rounds)


def word(comparison: SpeedupTest, margin: float = 0.01) -> str:
    return judge_table([comparison], margin)[0].word


@pytest.mark.parametrize(
    ("speedup", "spread", "expected"),
    [
        (1.31, 0.01, "faster"),
        (1 / 1.31, 0.01, "slower"),
        (1.0, 0.005, "same"),
        (1.003, 0.001, "same"),  # significant, and smaller than the margin
        (1.02, 0.1, "unclear"),
        (1.0, 0.1, "unclear"),
    ],
)
def test_the_word_follows_estimate_and_spread(speedup: float, spread: float, expected: str) -> None:
    assert word(against(speedup, spread)) == expected


def test_the_margin_is_what_same_means() -> None:
    comparison = against(1.015, 0.002)
    assert word(comparison, margin=0.01) == "faster"
    assert word(comparison, margin=0.02) == "same"


def test_too_few_rounds_get_no_verdict_however_clear() -> None:
    few = against(2.0, 0.001, rounds=ROUNDS_FOR_A_VERDICT - 1)
    (verdict,) = judge_table([few])
    assert str(verdict) == "too few rounds (needs 6)"
    assert math.isnan(verdict.p_holm)
    assert word(against(2.0, 0.001, rounds=ROUNDS_FOR_A_VERDICT)) == "faster"


def test_a_table_of_many_comparisons_is_harder_to_pass() -> None:
    close = against(1.02, 0.02)
    assert judge_table([close])[0].word == "faster"
    crowd = [against(1.0, 0.1)] * 19
    judged = judge_table([close, *crowd])[0]
    assert judged.word == "unclear"
    assert judged.p_holm == pytest.approx(20 * close.p)


def test_cells_with_too_few_rounds_do_not_weigh_on_the_others() -> None:
    close = against(1.02, 0.02)
    assert judge_table([close, *[against(1.0, 0.1, rounds=3)] * 19])[0].word == "faster"


@pytest.mark.parametrize(
    ("speedup", "spread", "share"), [(1.02, 0.03, 2), (1.0, 0.03, 3), (0.97, 0.05, 2)]
)
def test_the_rounds_that_would_decide_do_decide(speedup: float, spread: float, share: int) -> None:
    (verdict,) = judge_table([against(speedup, spread)])
    assert verdict.word == "unclear"
    assert verdict.rounds_needed is not None
    assert 10 < verdict.rounds_needed < 1000
    assert word(against(speedup, spread, verdict.rounds_needed)) != "unclear"
    assert word(against(speedup, spread, verdict.rounds_needed // share)) == "unclear"


@pytest.mark.parametrize(
    ("log_speedup", "spread", "decision"),
    [
        (0.0, 0.02, "same"),
        (0.0, 0.03, "same"),
        (0.001, 0.02, "same"),
        (0.004, 0.02, "same"),
        (0.013, 0.03, "faster"),
    ],
)
def test_the_rounds_that_would_decide_do_so_with_the_chance_that_is_promised(
    log_speedup: float, spread: float, decision: str
) -> None:
    (verdict,) = judge_table([against(math.exp(log_speedup), spread)])
    assert verdict.rounds_needed is not None
    chance = np.random.default_rng(0)
    ratios = log_speedup + spread * chance.standard_normal((800, verdict.rounds_needed))
    decided = [word(paired(np.exp(x).tolist(), [1.0] * len(x))) == decision for x in ratios]
    assert 0.76 <= np.mean(decided) <= 0.84  # 80 %, three standard errors of 800 are 4 %


def test_what_nothing_decides_says_so() -> None:
    (verdict,) = judge_table([against(1.0099, 0.3)])
    assert str(verdict) == "unclear (over 1000 rounds would decide)"
    assert str(Verdict("unclear", 0.2, 40)) == "unclear (about 40 rounds would decide)"


@pytest.mark.parametrize("kind", TESTED)
@pytest.mark.parametrize("rounds", [3, 6, 10])
def test_at_most_5_percent_of_aa_tables_hold_a_wrong_verdict(kind: str, rounds: int) -> None:
    for test in TESTED[kind][1]:
        assert wrong_share(kind, test, rounds, tables=250) <= 0.05


@pytest.mark.parametrize("test", [paired, welch])
def test_two_percent_are_found_in_ten_rounds(test: object) -> None:
    assert found_share(0.02, test, tables=100) >= 0.95  # type: ignore[arg-type]
