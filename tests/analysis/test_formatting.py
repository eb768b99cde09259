"""Numbers as text."""

from __future__ import annotations

import math

import pytest

from analysis.formatting import factor, interval, percent, seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (117.94, "117.9"),
        (12.345, "12.35"),
        (1.0, "1.00"),
        (0.12345, "0.123"),
        (0.000123, "1.23e-04"),
        (-0.5, "-0.500"),
        (0.0, "0.000"),
        (math.nan, "-"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.34, "+12.3 %"), (-0.84, "-0.8 %"), (0.04, "0.0 %"), (-0.04, "0.0 %"), (math.nan, "-")],
)
def test_percentages_have_a_sign(value: float, text: str) -> None:
    assert percent(value) == text


def test_factors() -> None:
    assert factor(1.3149) == "1.31x"
    assert factor(math.nan) == "-"


def test_intervals_have_two_decimals_or_one_of_a_percent() -> None:
    assert interval(1.294, 1.327) == "1.29 to 1.33"
    assert interval(-1.24, 3.0, " %") == "-1.2 to 3.0 %"
    assert interval(math.nan, 1.0) == "-"
