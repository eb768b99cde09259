"""Tests of two cells' rounds: against scipy, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sd_bench.statistics.significance import (
    Numbers,
    SpeedupTest,
    compare_rounds,
    holm,
    paired,
    welch,
)

BASELINE = [10.1, 10.4, 9.9, 10.2, 10.6, 10.0, 10.3]
CELL = [9.0, 9.1, 9.2, 8.8, 9.4, 9.3, 9.05]


def test_the_paired_test_is_scipys_on_log_ratios() -> None:
    found = paired(BASELINE, CELL)
    expected = stats.ttest_rel(np.log(BASELINE), np.log(CELL))
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert math.exp(found.log_speedup) == pytest.approx(
        stats.gmean(BASELINE) / stats.gmean(CELL), rel=1e-12
    )


def test_welchs_test_is_scipys_on_logarithms() -> None:
    found = welch(BASELINE, CELL[:5])
    expected = stats.ttest_ind(np.log(BASELINE), np.log(CELL[:5]), equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.rounds == 5


def distance(base: Numbers, cell: Numbers, axis: int = -1) -> Numbers:
    difference: Numbers = np.mean(base, axis=axis) - np.mean(cell, axis=axis)
    return np.abs(difference)


@pytest.mark.parametrize(("method", "kind"), [(paired, "samples"), (welch, "independent")])
def test_the_exact_permutation_tests_are_scipys(method: object, kind: str) -> None:
    near = [10.05, 9.93, 10.12, 9.81, 10.01, 10.3]
    found = method(BASELINE[:6], near)  # type: ignore[operator]
    expected = stats.permutation_test(
        (np.log(BASELINE[:6]), np.log(near)),
        distance,
        permutation_type=kind,
        alternative="greater",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert found.permutation_p == pytest.approx(expected.pvalue)


def test_sign_flips_of_six_rounds_can_reach_3_percent_and_of_five_cannot() -> None:
    assert paired(BASELINE[:6], CELL[:6]).permutation_p == 2 / 64
    assert paired(BASELINE[:5], CELL[:5]).permutation_p == 2 / 32
    assert paired(BASELINE[:3], CELL[:3]).permutation_p == 2 / 8


def test_many_rounds_are_permuted_by_sampling() -> None:
    chance = np.random.default_rng(0)
    base, cell = chance.normal(10, 0.1, 40), chance.normal(9, 0.1, 40)
    for test in (paired, welch):
        assert test(base.tolist(), cell.tolist()).permutation_p < 0.002
        assert test(base.tolist(), base[::-1].tolist()).permutation_p > 0.5


def test_the_bootstrap_agrees_with_the_t_interval_where_times_are_normal() -> None:
    chance = np.random.default_rng(1)
    base, cell = chance.normal(10, 0.1, 200).tolist(), chance.normal(9, 0.1, 200).tolist()
    for test in (paired, welch):
        found: SpeedupTest = test(base, cell)
        assert found.bootstrap == pytest.approx((found.low, found.high), abs=0.1 * found.unit_se)


def test_holms_correction_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_rounds_of_one_sweep_are_paired_and_of_two_sweeps_are_not() -> None:
    base = {("s1", r): s for r, s in enumerate(BASELINE)}
    cell = {("s1", r): s for r, s in enumerate(CELL)}
    other = {("s2", r): s for r, s in enumerate(CELL)}
    together, apart = compare_rounds(base, cell), compare_rounds(base, other)
    assert together is not None
    assert apart is not None
    assert (together.method, together.p) == ("paired", paired(BASELINE, CELL).p)
    assert (apart.method, apart.p) == ("welch", welch(BASELINE, CELL).p)


def test_a_round_without_times_leaves_its_pair_out() -> None:
    base = {("s1", r): s for r, s in enumerate(BASELINE) if r != 2}
    cell = {("s1", r): s for r, s in enumerate(CELL)}
    found = compare_rounds(base, cell)
    assert found is not None
    assert (found.method, found.rounds) == ("paired", 6)


def test_pairs_that_are_few_among_many_rounds_are_not_relied_on() -> None:
    base = {("s1", 0): 10.0, ("s1", 1): 10.1} | {("s2", r): 10.0 + r / 10 for r in range(8)}
    cell = {("s1", 0): 9.0, ("s1", 1): 9.1} | {("s3", r): 9.0 + r / 10 for r in range(8)}
    found = compare_rounds(base, cell)
    assert found is not None
    assert (found.method, found.rounds) == ("welch", 10)


def test_one_round_cannot_be_tested() -> None:
    assert compare_rounds({("s", 0): 1.0}, {("s", 0): 2.0, ("s", 1): 2.0}) is None


def test_equal_rounds_are_no_error() -> None:
    same = paired([2.0] * 6, [2.0] * 6)
    assert (same.p, same.low, same.high, same.permutation_p) == (1.0, 0.0, 0.0, 1.0)
    faster = welch([2.0] * 6, [1.0] * 6)
    assert faster.p == 0.0
    assert math.exp(faster.low) == pytest.approx(2.0)


def test_pairing_sees_through_a_drift_that_welch_does_not() -> None:
    drift = np.linspace(1, 1.3, 8)
    base, cell = 10 * drift, 9.8 * drift
    noise = np.array([1, -1, 1, -1, -1, 1, -1, 1]) * 0.002
    assert paired(base.tolist(), (cell * (1 + noise)).tolist()).p < 1e-6
    assert welch(base.tolist(), cell.tolist()).p > 0.5
