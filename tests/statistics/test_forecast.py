"""How many more rounds would decide."""

import numpy as np
import pytest
from scipy import stats

from sd_bench.statistics.forecast import forecast
from sd_bench.statistics.sequential import plan_fixed, plan_looks


def test_the_smaller_the_difference_the_more_rounds() -> None:
    plan = plan_looks(20)
    needed = [forecast(c, 0.008, 5, 6, plan, 0.001, 3).new_sweep_rounds for c in (0.1, 0.03, 0.02)]
    assert None not in needed
    assert needed == sorted(needed, key=lambda rounds: rounds or 0)
    assert needed[0] != needed[-1]


def test_rounds_named_are_at_a_look_of_the_plan() -> None:
    plan = plan_looks(20)
    for center in (0.012, 0.02, 0.03, 0.05):
        further = forecast(center, 0.01, 5, 6, plan, 0.01, 3).further_rounds
        assert further is None or 6 + further in plan.all_looks


def test_an_extension_is_offered_where_the_plan_is_at_its_end() -> None:
    assert forecast(0.012, 0.004, 9, 10, plan_fixed(10), 0.001, 3).further_rounds in (3, 6, 10)


def test_it_is_reported_if_no_planned_round_would_do() -> None:
    found = forecast(0.009, 0.01, 19, 20, plan_looks(20), 0.01, 5)
    assert found.further_rounds is None
    assert found.new_sweep_rounds is None or found.new_sweep_rounds > 40


def test_a_difference_at_the_margin_has_no_forecast() -> None:
    assert forecast(1e-9, 0.05, 5, 6, plan_looks(10), 0.001, 3).new_sweep_rounds is None


def test_a_single_round_has_no_forecast() -> None:
    assert forecast(0.1, float("nan"), 0, 1, plan_looks(10), 0.01, 1) == (None, None)


def test_eight_in_ten_are_decided_at_the_rounds_that_are_named() -> None:
    """If estimate and spread are true: a difference and a spread of 2 %, in a family of 1."""
    plan = plan_fixed(10)
    rounds = forecast(0.02, 0.02 / np.sqrt(10), 9, 10, plan, 0.001, 1).new_sweep_rounds
    assert rounds is not None
    noise = 0.02 * np.random.default_rng(0).standard_normal((4000, rounds)) + 0.02
    t = noise.mean(axis=1) / stats.sem(noise, axis=1)
    decided = t > stats.t.ppf(1 - plan.level(10, 1) / 2, rounds - 1)
    assert abs(decided.mean() - 0.8) < 0.05


def test_the_look_that_is_named_does_not_depend_on_how_many_are_tried_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = np.random.default_rng(3)
    cases = [
        (float(center), float(se), float(df), int(rounds))
        for center, se, df, rounds in zip(
            chance.normal(0, 0.02, 40), chance.uniform(0.0005, 0.02, 40),
            chance.integers(5, 30, 40), chance.integers(6, 30, 40), strict=True,
        )
    ]  # fmt: skip
    found = []
    for at_once in (1, 7, 32, 1000):
        monkeypatch.setattr("sd_bench.statistics.forecast._LOOKS_AT_ONCE", at_once)
        found.append([forecast(*case, plan_fixed(10), 0.01, 3) for case in cases])
    assert found.count(found[0]) == len(found)
    assert len({each.new_sweep_rounds for each in found[0]}) > 10
