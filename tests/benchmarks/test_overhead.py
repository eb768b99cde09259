"""Overhead is told apart into what a command has once and what each round has."""

from __future__ import annotations

import pytest

from benchmarks.overhead import split
from sd_bench.execution.time_account import Account


@pytest.mark.parametrize(("once_s", "each_s"), [(2.0, 0.25), (0.0, 0.5), (3.0, 0.0)])
def test_two_sweeps_of_different_length_tell_both_apart(once_s: float, each_s: float) -> None:
    short, long = (
        Account(rounds, {"timed calls": 5.0 * rounds, "overhead": once_s + each_s * rounds})
        for rounds in (6, 18)
    )
    assert split(short, long) == pytest.approx((each_s, once_s))
