"""Repeated looks: how much error may be spent, and the level of each look."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from sd_bench.statistics.sequential import (
    LookPlan,
    equivalence_level,
    fewest_rounds,
    look_levels,
    plan_fixed,
    plan_looks,
)


def bounds(spent: list[float], looks: tuple[int, ...] = (25, 50, 75, 100)) -> np.ndarray:
    return -ndtri(np.array(look_levels(looks, tuple(spent))) / 2)


def test_bounds_are_those_published_for_spending_like_obrien_and_fleming() -> None:
    shares = np.array([0.25, 0.5, 0.75, 1.0])
    spent = 4 * (1 - ndtr(-ndtri(0.05 / 4) / np.sqrt(shares)))
    assert bounds(spent.tolist()) == pytest.approx([4.3326, 2.9631, 2.3590, 2.0141], abs=0.0005)


def test_bounds_are_those_published_for_spending_like_pocock() -> None:
    spent = [0.05 * float(np.log(1 + (np.e - 1) * share)) for share in (0.25, 0.5, 0.75, 1.0)]
    assert bounds(spent) == pytest.approx([2.3682, 2.3675, 2.3582, 2.3500], abs=0.0005)


def test_a_single_look_spends_all_of_it() -> None:
    assert look_levels((10,), (0.04,)) == pytest.approx((0.04,))


def test_paths_cross_as_often_as_was_spent() -> None:
    looks = (6, 8, 10, 13, 16, 20)
    spent = tuple(0.05 * (n / 20) ** 2 for n in looks)
    edges = -ndtri(np.array(look_levels(looks, spent)) / 2)
    steps = np.random.default_rng(0).standard_normal((100_000, 20)).cumsum(axis=1)
    sizes = np.abs(steps[:, np.array(looks) - 1]) / np.sqrt(looks)
    crossed = (sizes > edges).cumsum(axis=1).astype(bool).mean(axis=0)
    assert crossed == pytest.approx(spent, abs=0.003)


def test_nothing_more_to_spend_is_a_level_of_nothing() -> None:
    assert look_levels((10, 20), (0.05, 0.05))[1] == 0


def test_a_plan_spends_up_to_its_reserve_and_the_rest_in_its_extension() -> None:
    plan = plan_looks(20)
    assert plan.looks == (6, 8, 10, 13, 16, 20)
    assert plan.extension == (25, 30, 38, 40)
    assert plan.spent(20) == pytest.approx(0.04)
    assert plan.spent(30) == pytest.approx(0.045)
    assert plan.spent(40) == pytest.approx(0.05)
    spent = [plan.spent(n) for n in plan.all_looks]
    assert spent == sorted(spent)


def test_the_last_look_is_the_last_round_that_was_asked_for() -> None:
    assert plan_looks(9).looks == (6, 8, 9)
    assert plan_looks(6).looks == (6,)
    assert plan_looks(3).looks == (3,)


def test_a_fixed_plan_has_one_look_and_the_family_shares_its_error() -> None:
    plan = plan_fixed(10)
    assert plan.level(10, 1) == pytest.approx(0.04)
    assert plan.level(10, 5) == pytest.approx(0.008)
    assert plan_fixed(10, reserve=0.0).level(10, 1) == pytest.approx(0.05)
    assert plan_fixed(10, reserve=0.0).extension == ()


def test_a_comparison_that_lacks_a_round_is_looked_at_where_it_stands() -> None:
    plan = plan_looks(10)
    assert 0 < plan.level(7, 3) < plan.level(10, 3)


def test_more_rounds_than_planned_are_refused() -> None:
    with pytest.raises(ValueError, match="41 rounds are more than the 40 of the plan"):
        plan_looks(20).level(41, 3)


def test_fewest_rounds_follow_from_the_smallest_p_of_flipped_signs() -> None:
    assert fewest_rounds(0.05) == 6
    assert fewest_rounds(0.01) == 8
    for error in (0.05, 0.01):
        assert 2.0 ** (1 - fewest_rounds(error)) <= error < 2.0 ** (2 - fewest_rounds(error))


def test_six_rounds_decide_for_the_family_of_three_and_fewer_never() -> None:
    assert plan_fixed(6).smallest_deciding(3) == 6
    assert plan_looks(20).smallest_deciding(3) == 6
    assert plan_fixed(3, reserve=0.0).smallest_deciding(1) is None


def test_the_more_comparisons_and_looks_the_later_the_first_decision() -> None:
    rare = LookPlan(looks=(6, 8, 10, 120), error=0.05)
    assert rare.smallest_deciding(1000) > 6  # type: ignore[operator]
    assert plan_fixed(6).smallest_deciding(1000) == 6


def test_the_least_difference_shrinks_from_look_to_look() -> None:
    plan = plan_looks(20)
    least = [plan.least_difference(rounds, 3) for rounds in plan.looks]
    assert least == sorted(least, reverse=True)
    assert plan_fixed(10).least_difference(10, 1) == pytest.approx(2.398 / np.sqrt(10), abs=0.001)


def test_looks_must_grow() -> None:
    for looks in ((), (6, 6), (8, 6), (0, 6)):
        with pytest.raises(ValueError, match="looks must be increasing"):
            LookPlan(looks=looks)


def test_equivalence_needs_an_interval_at_twice_the_level_and_95_percent_at_least() -> None:
    assert equivalence_level(0.008) == 0.016
    assert equivalence_level(0.04) == 0.05
