"""The distance of latents, and how large a one counts as the same picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sd_bench.verdicts.parity import (
    NO_REFERENCE,
    OWN_REFERENCE,
    TOLERANCES,
    Parity,
    relative_l2,
    tolerance,
)


def test_relative_l2_by_hand() -> None:
    assert relative_l2(np.array([3.0, 8.0]), np.array([3.0, 4.0])) == pytest.approx(4 / 5)


def test_relative_l2_of_nothing_has_no_meaning() -> None:
    assert math.isnan(relative_l2(np.zeros(2), np.zeros(2)))


def test_tolerances_are_those_of_the_precision_classes() -> None:
    assert TOLERANCES == {"fp32": 1e-3, "autocast": 5e-2, "fp16": 5e-2, "bf16": 5e-2}


@pytest.mark.parametrize(
    ("precision", "reference", "expected"),
    [
        ("fp32", "fp32", 1e-3),
        ("bf16", "fp32", 5e-2),
        ("fp32", "autocast", 5e-2),
        ("fp8", "fp8", 1e-3),
        (None, None, 1e-3),
    ],
)
def test_the_looser_precision_decides(
    precision: str | None, reference: str | None, expected: float
) -> None:
    assert tolerance(precision, reference) == expected


def test_a_distance_that_nobody_knows_is_neither_within_nor_beyond() -> None:
    assert Parity(distance=0.05, allowed=0.05).ok is True
    assert Parity(distance=0.051, allowed=0.05).ok is False
    assert Parity(allowed=0.05, reason="latents not kept").ok is None
    assert (NO_REFERENCE.ok, OWN_REFERENCE.ok) == (None, True)
