"""Decimals follow the width of the interval: its two ends never look the same."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_bench.statistics.digits import (
    count_decimals,
    count_digits,
    format_factor,
    format_factors,
    format_interval,
)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.9121, 0.9144, "0.912 to 0.914"),
        (1.104, 1.2196, "1.10 to 1.22"),
        (0.9161, 1.1393, "0.92 to 1.14"),
        (0.9952, 1.0041, "0.995 to 1.004"),
        (1.0003, 1.0005, "1.0003 to 1.0005"),
        (1.31, 1.33, "1.31 to 1.33"),
        (2.0, 2.0, "2.00 to 2.00"),
        (0.25, 40.0, "0.25 to 40.00"),
        (math.nan, 1.0, "-"),
    ],
)
def test_an_interval_has_the_decimals_of_its_width(low: float, high: float, text: str) -> None:
    assert format_factors(low, high) == text


def test_an_end_beside_1_does_not_look_like_1() -> None:
    assert format_factors(1.003, 1.21) == "1.003 to 1.210"
    assert format_factors(0.81, 0.9996) == "0.8100 to 0.9996"
    assert format_factors(1.0, 1.21) == "1.00 to 1.21"
    assert format_factors(1.0000003, 1.21) == "1.00 to 1.21"


def test_an_estimate_has_the_decimals_of_its_interval() -> None:
    assert format_factor(0.91329, 0.9121, 0.9144) == "0.913"
    assert format_factor(1.16) == "1.16"
    assert format_factor(math.nan, 1.0, 2.0) == "-"


def test_percent_alike() -> None:
    assert format_interval(-9.61, -9.36, count_decimals(-9.61, -9.36, 1), " %") == "-9.6 to -9.4 %"
    assert format_interval(0.112, 0.134, count_decimals(0.112, 0.134, 1)) == "0.11 to 0.13"


@pytest.mark.parametrize(
    ("value", "decimals"), [(0.0, 2), (0.0123, 4), (0.675, 3), (1.48, 2), (12.3, 1), (999.0, 0)]
)
def test_three_significant_digits(value: float, decimals: int) -> None:
    assert count_digits(value) == decimals


@given(low=st.floats(0.01, 100), width=st.floats(3e-5, 10))
def test_ends_that_differ_look_different(low: float, width: float) -> None:
    first, last = format_factors(low, low + width).split(" to ")
    assert first != last
