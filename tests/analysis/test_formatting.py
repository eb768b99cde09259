"""Numbers as text."""

from __future__ import annotations

import math

import pytest

from analysis.formatting import factor, interval, percent, seconds, seconds_interval


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


def test_intervals_have_the_decimals_of_their_width() -> None:
    assert interval(1.294, 1.327) == "1.29 to 1.33"
    assert interval(0.9121, 0.9143) == "0.912 to 0.914"
    assert interval(-1.24, 3.0, " %") == "-1.2 to 3.0 %"
    assert interval(-9.643, -9.361, " %") == "-9.6 to -9.4 %"
    assert interval(0.112, 0.131, " %") == "0.11 to 0.13 %"
    assert interval(math.nan, 1.0) == "-"


def test_an_estimate_has_the_decimals_of_its_interval() -> None:
    assert factor(0.91317, 0.9121, 0.9143) == "0.913x"
    assert percent(0.1219, 0.112, 0.131) == "+0.12 %"
    assert percent(0.0019, -0.012, 0.014) == "0.00 %"
    assert seconds(117.9412, 117.931, 117.951) == "117.94"
    assert seconds_interval(117.9412, 117.931, 117.951) == "117.93 to 117.95"
    assert (seconds(10.39, 3.3, 13.5), seconds_interval(10.39, 3.3, 13.5)) == (
        "10.4",
        "3.3 to 13.5",
    )
    assert seconds_interval(0.00123, 0.00121, 0.00125) == "1.21e-03 to 1.25e-03"


@pytest.mark.parametrize(
    ("value", "text"), [(-200.0, "3.00x slower"), (-101.0, "2.01x slower"), (-100.0, "-100.0 %")]
)
def test_slower_than_half_is_a_factor(value: float, text: str) -> None:
    assert percent(value) == text


def test_that_factor_has_the_decimals_of_its_interval() -> None:
    assert percent(-200.0, -200.1, -199.9) == "3.000x slower"
