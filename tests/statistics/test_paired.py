"""Paired rounds of a cell and its baseline: one statistic for speed-up and both runtimes."""

import numpy as np
import pytest

from sd_bench.statistics.paired import estimate_all_paired, estimate_paired


def test_rounds_are_paired_by_key_and_others_left_out() -> None:
    found = estimate_paired({3: 1.0, 1: 2.0, 2: 4.0, 7: 9.0}, {1: 4.0, 2: 8.0, 3: 2.0, 4: 1.0})
    assert found.rounds == 3
    assert found.speedup == pytest.approx(0.5)
    assert found.baseline_s == pytest.approx(2.0)
    assert found.se == 0


def test_speedup_is_the_ratio_of_the_runtimes_beside_it_whatever_was_set_aside() -> None:
    baseline = {i: 5.0 + 0.01 * (i % 3) for i in range(8)}
    cell = {i: 4.0 + 0.01 * (i % 4) for i in range(8)} | {5: 27.7}
    found = estimate_paired(baseline, cell)
    assert found.speedup == pytest.approx(found.baseline_s / found.cell_s)
    assert found.speedup == pytest.approx(1.25, abs=0.01)
    assert found.cell_s < 4.1


def test_a_disturbed_round_is_named_with_its_side_and_size() -> None:
    baseline = {i: 5.0 + 0.01 * (i % 3) for i in range(8)} | {2: 20.0}
    cell = {i: 4.0 + 0.01 * (i % 4) for i in range(8)}
    (disturbed,) = estimate_paired(baseline, cell).disturbed
    assert (disturbed.round, disturbed.side) == (2, "baseline")
    assert disturbed.times == pytest.approx(4.0, abs=0.02)


def test_residuals_sum_to_nothing_and_what_was_set_aside_has_none() -> None:
    cell = {i: 4.0 + 0.01 * (i % 4) for i in range(8)} | {5: 27.7}
    found = estimate_paired(dict.fromkeys(range(8), 5.0), cell)
    (residuals,) = found.residuals
    assert residuals[5] == 0
    assert residuals.sum() == pytest.approx(0, abs=1e-12)


def test_one_pair_has_an_estimate_and_no_standard_error() -> None:
    found = estimate_paired({0: 6.0}, {0: 4.0})
    assert found.speedup == pytest.approx(1.5)
    assert np.isnan(found.se)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_seconds_that_nothing_can_have_measured_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite and above 0"):
        estimate_paired({0: 1.0}, {0: seconds})


def test_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="the two cells have no round in common"):
        estimate_paired({0: 1.0}, {1: 1.0})


def test_many_comparisons_have_the_estimates_that_each_has_alone() -> None:
    chance = np.random.default_rng(1)

    def seconds(rounds: int) -> dict[int, float]:
        return dict(enumerate(np.exp(chance.normal(0, 0.01, rounds)).tolist()))

    comparisons = [(seconds(n), seconds(n)) for n in (8, 1, 12, 8, 3)]
    comparisons[3][1][4] *= 7  # set aside
    for most in (6, 99):
        many = estimate_all_paired(comparisons, most)
        first = [
            {key: baseline_s[key] for key in list(baseline_s)[:most]}
            for baseline_s, _ in comparisons
        ]
        alone = [
            estimate_paired(baseline_s, cell_s)
            for baseline_s, (_, cell_s) in zip(first, comparisons, strict=True)
        ]
        assert repr(many) == repr(alone)
        assert len(many[3].disturbed) == 1
