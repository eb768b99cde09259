"""Trends along rounds and iterations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sd_bench.statistics.drift import trend


def test_one_series_is_scipys_regression_of_the_logarithm() -> None:
    values = [10.0, 10.2, 10.1, 10.4, 10.5, 10.45, 10.7]
    found = trend([values])
    expected = stats.linregress(range(7), np.log(values))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.change == pytest.approx(math.expm1(6 * expected.slope))


def test_each_series_has_its_own_level() -> None:
    series = [
        [level, 1.03 * level * (1 + level / 1e4)] for level in (1.0, 5.0, 30.0, 2.0, 9.0, 7.0)
    ]
    found = trend(series)
    assert found.change == pytest.approx(0.03, abs=1e-3)
    assert found.flagged


def test_noise_is_not_flagged() -> None:
    chance = np.random.default_rng(0)
    flagged = [trend([chance.normal(10, 0.5, 10).tolist()]).flagged for _ in range(500)]
    assert sum(flagged) <= 15  # 1 % of them, and chance


def test_a_trend_too_small_to_matter_is_not_flagged() -> None:
    values = [10 * (1 + 0.0002 * at + 1e-6 * (-1) ** at) for at in range(10)]
    found = trend([values])
    assert found.p < 1e-6
    assert not found.flagged


@pytest.mark.parametrize("series", [[], [[1.0]], [[1.0, 2.0]], [[1.0, 2.0, 3.0, 4.0, 5.0]]])
def test_too_few_values_say_nothing(series: list[list[float]]) -> None:
    assert math.isnan(trend(series).p)
    assert not trend(series).flagged


def test_equal_values_have_no_trend() -> None:
    found = trend([[2.0] * 8])
    assert (found.change, found.p) == (0.0, 1.0)
