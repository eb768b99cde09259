"""Verdicts: the word for each judgement, and what would decide it."""

from __future__ import annotations

import numpy as np
import pytest

from sd_bench.statistics.looks import follow_looks
from sd_bench.statistics.sequential import LookPlan, plan_fixed, plan_looks
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT, Verdict, give_verdict


def verdict(mean: float, spread: float, rounds: int, plan: LookPlan) -> Verdict:
    """The verdict on pairs whose log ratios have exactly this mean and standard deviation."""
    noise = np.random.default_rng(0).permutation(np.linspace(-1, 1, rounds))
    ratios = mean + (spread * noise / noise.std(ddof=1) if rounds > 1 else 0.0)
    sides = dict(enumerate(np.exp(ratios * np.ones(rounds)))), dict.fromkeys(range(rounds), 1.0)
    return give_verdict(follow_looks([sides], plan).judgements[0])


@pytest.mark.parametrize(
    ("mean", "spread", "word"),
    [(0.2, 0.01, "faster"), (-0.2, 0.01, "slower"), (0.0, 0.003, "same"), (0.02, 0.1, "unclear")],
)
def test_the_word_is_the_judgements(mean: float, spread: float, word: str) -> None:
    found = verdict(mean, spread, 10, plan_fixed(10))
    assert found.word == word
    assert found.is_settled is (word != "unclear")


def test_too_few_rounds_say_the_fewest_that_can_decide() -> None:
    for rounds in range(1, ROUNDS_FOR_A_VERDICT):
        assert str(verdict(0.7, 0.001, rounds, plan_fixed(10))) == "too few rounds (needs 6)"
    assert verdict(0.7, 0.001, ROUNDS_FOR_A_VERDICT, plan_fixed(10)).word == "faster"


def test_unclear_says_what_would_decide_it() -> None:
    within = verdict(0.03, 0.02, 6, plan_looks(20))
    assert within.further_rounds is not None
    assert 6 + within.further_rounds in plan_looks(20).all_looks
    assert str(within) == f"unclear ({within.further_rounds} more rounds would decide)"
    beyond = verdict(0.015, 0.03, 10, plan_fixed(10, reserve=0))
    assert str(beyond) == f"unclear (a new sweep of {beyond.new_sweep_rounds} rounds would decide)"
    hopeless = verdict(0.00995, 0.3, 10, plan_fixed(10))
    assert str(hopeless) == "unclear (not even 1000 rounds would decide)"
    assert str(Verdict("unclear", 1)) == "unclear (1 more round would decide)"
