"""Simulated histories: how often the method errs, and what it finds."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.history import simulate


def test_of_histories_without_a_change_few_show_one() -> None:
    rng = np.random.default_rng(1)
    wrong = sum(any(each.shifts for each in simulate(rng)) for _ in range(20))
    assert wrong <= 3  # of 20 at 5 %, more than 3 happen once in 60 times


def test_a_clear_change_of_one_cell_is_found_there_alone() -> None:
    changed, *others = simulate(np.random.default_rng(2), shift=0.1, at=6, num_shifted=1)
    (shift,) = changed.shifts
    assert shift.at == 6
    assert shift.low < math.exp(0.1) < shift.high
    assert all(not each.shifts for each in others)
