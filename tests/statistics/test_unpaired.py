"""Rounds of two sweeps: compared without pairs."""

import numpy as np
import pytest
from scipy import stats

from sd_bench.statistics.decision import judge_table
from sd_bench.statistics.sequential import plan_fixed
from sd_bench.statistics.unpaired import estimate_unpaired


def seconds(rounds: int, typical: float, seed: int, spread: float = 0.01) -> dict[int, float]:
    noise = np.random.default_rng(seed).standard_normal(rounds)
    return dict(enumerate(typical * np.exp(spread * noise)))


def test_without_a_disturbed_round_it_is_welchs_test_on_logarithms() -> None:
    baseline, cell = seconds(8, 5.0, 0), seconds(11, 4.9, 1, 0.03)
    found = estimate_unpaired(baseline, cell)
    logs = [np.log(list(side.values())) for side in (baseline, cell)]
    welch = stats.ttest_ind(*logs, equal_var=False)
    assert found.log_speedup / found.se == pytest.approx(welch.statistic)
    assert found.df == pytest.approx(welch.df)
    assert found.rounds == 8
    assert found.speedup == pytest.approx(found.baseline_s / found.cell_s)


def test_a_disturbed_round_is_set_aside_on_its_own_side() -> None:
    found = estimate_unpaired(seconds(8, 5.0, 0), seconds(8, 4.0, 1) | {3: 27.7})
    assert [(d.round, d.side) for d in found.disturbed] == [(3, "cell")]
    assert found.speedup == pytest.approx(1.25, abs=0.02)


def test_the_rarer_speed_of_a_machine_with_two_is_kept() -> None:
    two_speeds = seconds(10, 4.0, 1, 0.001) | {3: 4.4, 7: 4.4}
    found = estimate_unpaired(seconds(10, 4.0, 0, 0.001), two_speeds)
    assert found.disturbed == ()
    assert judge_table([found], plan_fixed(10)).judgements[0].word == "unclear"


def test_two_speeds_far_apart_are_doubtful() -> None:
    slow = seconds(6, 8.0, 1, 0.001) | {3: 4.0}
    found = estimate_unpaired(seconds(6, 4.0, 0, 0.001), slow)
    assert [(d.round, d.side) for d in found.disturbed] == [(3, "cell")]
    assert found.doubtful
    assert judge_table([found], plan_fixed(6)).judgements[0].word == "unclear"


def test_equal_times_on_both_sides_are_the_same() -> None:
    found = estimate_unpaired(dict.fromkeys(range(6), 2.0), dict.fromkeys(range(6), 2.0))
    assert judge_table([found], plan_fixed(6)).judgements[0].word == "same"


def test_two_sweeps_are_judged_as_pairs_are() -> None:
    estimates = [estimate_unpaired(seconds(8, 5.0, 0), seconds(8, 4.0, seed)) for seed in (1, 2)]
    estimates.append(estimate_unpaired(seconds(8, 5.0, 3), seconds(8, 5.02, 4)))
    words = [judgement.word for judgement in judge_table(estimates, plan_fixed(8)).judgements]
    assert words == ["faster", "faster", "unclear"]


def test_one_round_on_a_side_has_an_estimate_and_no_error() -> None:
    found = estimate_unpaired({0: 4.0}, seconds(6, 2.0, 0, 0.001))
    assert found.speedup == pytest.approx(2, rel=0.01)
    assert np.isnan(found.se)
    (judgement,) = judge_table([found], plan_fixed(6)).judgements
    assert judgement.word == "unclear"


def test_a_side_without_a_round_is_refused() -> None:
    with pytest.raises(ValueError, match="has no round"):
        estimate_unpaired({}, {0: 1.0})
