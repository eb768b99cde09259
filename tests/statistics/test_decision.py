"""The verdicts of a table, from rounds to words."""

import math

import numpy as np
import pytest

from sd_bench.statistics.decision import judge_table
from sd_bench.statistics.estimate import Estimate
from sd_bench.statistics.paired import estimate_paired
from sd_bench.statistics.sequential import plan_fixed, plan_looks


def against(speedup: float, spread: float, rounds: int = 10, seed: int = 0) -> Estimate:
    """Pairs whose log ratios have exactly this mean and standard deviation, in any order."""
    noise = np.random.default_rng(seed).permutation(np.linspace(-1, 1, rounds))
    ratios = math.log(speedup) + spread * noise / noise.std(ddof=1)
    return paired(ratios)


def paired(log_ratios: np.ndarray) -> Estimate:
    return estimate_paired(dict(enumerate(np.exp(log_ratios))), dict.fromkeys(range(99), 1.0))


@pytest.mark.parametrize(
    ("speedup", "spread", "word"),
    [
        (1.05, 0.005, "faster"),
        (1 / 1.05, 0.005, "slower"),
        (1.001, 0.002, "same"),
        (1.01, 0.02, "unclear"),
        (1.0, 0.02, "unclear"),
    ],
)
def test_the_word_follows_from_difference_and_spread(
    speedup: float, spread: float, word: str
) -> None:
    table = judge_table([against(speedup, spread)] * 3, plan_fixed(10))
    assert [judgement.word for judgement in table.judgements] == [word] * 3


@pytest.mark.parametrize("speedup", [0.9, 0.995, 1.0, 1.004, 1.008, 1.02, 1.1])
@pytest.mark.parametrize("spread", [0.001, 0.004, 0.01])
@pytest.mark.parametrize("family", [1, 2, 5])
def test_no_verdict_contradicts_the_intervals_beside_it(
    speedup: float, spread: float, family: int
) -> None:
    pairs = [against(speedup, spread, seed=seed) for seed in range(family)]
    for judgement in judge_table(pairs, plan_fixed(10)).judgements:
        low, high = judgement.interval_95
        assert judgement.interval.low <= low <= judgement.estimate.speedup <= high
        assert high <= judgement.interval.high
        if judgement.word == "same":
            assert low >= 1 / 1.01
            assert high <= 1.01
        if judgement.word in ("faster", "slower"):
            assert judgement.interval.low > 1 or judgement.interval.high < 1
            assert judgement.p < judgement.level


def test_a_larger_family_needs_a_clearer_difference() -> None:
    pairs = against(1.01, 0.0095)
    plan = plan_fixed(10)
    assert judge_table([pairs], plan).judgements[0].word == "faster"
    assert judge_table([pairs], plan, family=20).judgements[0].word == "unclear"


def test_a_wide_margin_makes_more_the_same() -> None:
    pairs, plan = against(1.01, 0.005), plan_fixed(10)
    assert judge_table([pairs], plan, margin=0.001).judgements[0].word == "faster"
    assert judge_table([pairs], plan, margin=0.05).judgements[0].word == "same"


def test_six_rounds_and_three_comparisons_decide_a_clear_difference() -> None:
    pairs = [against(1.2, 0.01, rounds=6, seed=seed) for seed in range(3)]
    for plan in (plan_fixed(6), plan_looks(20)):
        words = [judgement.word for judgement in judge_table(pairs, plan).judgements]
        assert words == ["faster"] * 3


def test_one_disturbed_round_of_six_does_not_hide_that_five_were_faster() -> None:
    baseline = dict(enumerate([5.1, 5.0, 5.05, 5.2, 5.1, 5.15]))
    cell = dict(enumerate([4.1, 4.05, 4.1, 27.7, 4.1, 4.2]))
    (judgement,) = judge_table([estimate_paired(baseline, cell)], plan_fixed(6)).judgements
    assert judgement.word == "faster"
    assert judgement.estimate.speedup == pytest.approx(1.237, abs=0.005)
    assert [(d.round, d.side) for d in judgement.estimate.disturbed] == [(3, "cell")]


def test_a_machine_with_two_speeds_is_not_faster_because_five_rounds_of_six_were() -> None:
    ratios = np.array([0.25, 0.251, 0.0, 0.249, 0.25, 0.252])
    (judgement,) = judge_table([paired(ratios)], plan_looks(10)).judgements
    assert judgement.estimate.doubtful
    assert judgement.interval.low > 1
    assert judgement.word == "unclear"
    assert judgement.forecast is not None
    assert judgement.forecast.further_rounds == 2


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_too_few_rounds_have_an_estimate_and_no_verdict(rounds: int) -> None:
    ratios = np.log(2) + np.linspace(-0.01, 0.01, rounds)
    (judgement,) = judge_table([paired(ratios)], plan_fixed(rounds)).judgements
    assert judgement.word == "unclear"
    assert judgement.too_few_rounds
    assert not judgement.decided
    assert judgement.estimate.speedup == pytest.approx(2, rel=0.011)


def test_of_two_rounds_there_is_an_interval_and_of_one_none() -> None:
    two, one = judge_table(
        [paired(np.array([0.1, 0.2])), paired(np.array([0.1]))], plan_looks(20)
    ).judgements
    assert two.interval_95.low < 1.1 < two.interval_95.high
    assert math.isnan(one.interval_95.low)
    assert one.forecast is not None
    assert one.forecast.further_rounds is None


def test_correlated_rounds_widen_every_interval_of_the_table() -> None:
    chance = np.random.default_rng(3)
    slow = np.repeat(chance.standard_normal((3, 5)), 4, axis=1) * 0.005
    shuffled = chance.permuted(slow, axis=1)
    found = judge_table([paired(row) for row in slow], plan_fixed(20))
    independent = judge_table([paired(row) for row in shuffled], plan_fixed(20))
    assert found.serial_correlation.flagged
    assert not independent.serial_correlation.flagged
    for wide, narrow in zip(found.judgements, independent.judgements, strict=True):
        assert wide.widening > 1.5 > narrow.widening >= 1
        assert wide.interval_95.high > narrow.interval_95.high


def test_comparisons_keep_the_rounds_that_they_had() -> None:
    pairs = [against(1.2, 0.01, rounds=6), against(1.002, 0.01, rounds=10)]
    rested, going_on = judge_table(pairs, plan_looks(10)).judgements
    assert (rested.estimate.rounds, rested.word) == (6, "faster")
    assert going_on.estimate.rounds == 10
    assert rested.level < going_on.level


def test_equal_times_in_every_round_are_the_same() -> None:
    (judgement,) = judge_table([paired(np.zeros(6))], plan_fixed(6)).judgements
    assert judgement.word == "same"
    assert judgement.p == 1
