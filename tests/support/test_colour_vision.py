"""The colour difference of published pairs, and colours that are hard to distinguish."""

from __future__ import annotations

import pytest

from tests.support.colour_vision import SIGHTS, ciede2000, contrast, difference_seen, propose


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.8361, -74.0200), (50.0, 0.0, -82.7485), 3.4412),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_pairs_of_sharma_wu_and_dalal(
    one: tuple[float, ...], other: tuple[float, ...], difference: float
) -> None:
    assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(difference, abs=1e-4)


def test_without_green_cones_red_and_green_are_alike() -> None:
    red, green = "#a35a00", "#6b7400"
    assert difference_seen(red, green, "normal") > 25
    assert difference_seen(red, green, "deuteranopia") < 10


def test_contrast_of_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


def test_a_colour_that_is_proposed_is_far_from_all_that_are_taken() -> None:
    (far, colour), *others = propose(["#000000", "#ffffff"], count=3)
    assert far == min(difference_seen(colour, c, s) for c in ("#000000", "#ffffff") for s in SIGHTS)
    assert [far, *(each for each, _ in others)] == sorted([far, *(e for e, _ in others)])[::-1]
    assert far > 20
