"""The t interval, against tables and scipy."""

from __future__ import annotations

import math

import pytest

from analysis.intervals import mean_interval, t_quantile

#: The 97.5 % quantiles as printed in tables.
TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 9: 2.2622, 29: 2.0452, 30: 2.0423, 1000: 1.9623}


@pytest.mark.parametrize(("df", "expected"), TABLE.items())
def test_quantiles_agree_with_the_printed_tables(df: int, expected: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(expected, abs=5e-5)


def test_quantiles_agree_with_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    for df in (*range(1, 31), 100, 999):
        for probability in (0.5, 0.6, 0.9, 0.95, 0.975, 0.995):
            expected = special.stdtrit(df, probability)
            assert t_quantile(probability, df) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("probability", "df"), [(0.4, 5), (1.0, 5), (0.975, 0)])
def test_quantiles_outside_of_the_domain_are_refused(probability: float, df: int) -> None:
    with pytest.raises(ValueError, match="degree of freedom"):
        t_quantile(probability, df)


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
