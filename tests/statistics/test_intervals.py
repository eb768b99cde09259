"""The t interval, against tables and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sd_bench.statistics.intervals import mean_interval, t_quantile

#: The 97.5 % quantiles as printed in tables.
TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 9: 2.2622, 29: 2.0452, 30: 2.0423, 1000: 1.9623}


@pytest.mark.parametrize(("df", "expected"), TABLE.items())
def test_quantiles_agree_with_the_printed_tables(df: int, expected: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(expected, abs=5e-5)


def test_the_interval_is_scipys() -> None:
    values = [10.0, 11.5, 12.0, 9.7, 10.4]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    found = mean_interval(values)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_the_interval_of_three_rounds_by_hand() -> None:
    mean, sd, low, high = mean_interval([10.0, 11.0, 12.0])
    half_width = 4.30265273 * 1.0 / math.sqrt(3)
    assert (mean, sd) == (11.0, 1.0)
    assert low == pytest.approx(11 - half_width, rel=1e-8)
    assert high == pytest.approx(11 + half_width, rel=1e-8)


def test_one_round_has_no_interval() -> None:
    mean, sd, low, high = mean_interval([3.0])
    assert mean == 3.0
    assert all(math.isnan(value) for value in (sd, low, high))


def test_no_round_has_nothing() -> None:
    assert all(math.isnan(value) for value in mean_interval([]))
