"""The test of the old rule, compared with scipy and with numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.calibration.significance import Numbers, SpeedupTest, holm, paired

BASELINE = np.log([10.1, 10.4, 9.9, 10.2, 10.6, 10.0, 10.3])
CELL = np.log([9.0, 9.1, 9.2, 8.8, 9.4, 9.3, 9.05])


def test_the_paired_test_is_scipys() -> None:
    found = paired(BASELINE - CELL)
    expected = stats.ttest_rel(BASELINE, CELL)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def distance(base: Numbers, cell: Numbers, axis: int = -1) -> Numbers:
    difference: Numbers = np.mean(base, axis=axis) - np.mean(cell, axis=axis)
    return np.abs(difference)


def test_the_exact_permutation_test_is_scipys() -> None:
    near = np.log([10.05, 9.93, 10.12, 9.81, 10.01, 10.3])
    expected = stats.permutation_test(
        (BASELINE[:6], near),
        distance,
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert paired(BASELINE[:6] - near).permutation_p == pytest.approx(expected.pvalue)


def test_sign_flips_of_six_rounds_can_reach_3_percent_and_of_five_cannot() -> None:
    for rounds in (3, 5, 6):
        assert paired((BASELINE - CELL)[:rounds]).permutation_p == 2 / 2**rounds


def test_the_bootstrap_agrees_with_the_t_interval_where_times_are_normal() -> None:
    ratios = np.random.default_rng(1).normal(0.1, 0.01, 200)
    found: SpeedupTest = paired(ratios)
    assert found.bootstrap == pytest.approx((found.low, found.high), abs=0.1 * found.unit_se)


def test_holms_correction_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
