"""The distance of latents, and up to which distance it is the same picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sd_bench.verdicts.parity import (
    NO_REFERENCE,
    OWN_REFERENCE,
    STAGES,
    TOLERANCES,
    Parity,
    find_stage,
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


def test_an_unknown_distance_is_neither_within_nor_beyond() -> None:
    assert Parity(distance=0.05, allowed=0.05).ok is True
    assert Parity(distance=0.051, allowed=0.05).ok is False
    assert Parity(allowed=0.05, reason="latents not kept").ok is None
    assert (NO_REFERENCE.ok, OWN_REFERENCE.ok) == (None, True)


SAME = {stage: [3.0, 4.0] for stage in STAGES}


def sketches(**changed: float) -> dict[str, list[float]]:
    """The sketch of each stage; the named stages are so far from the others."""
    return SAME | {stage: [3.0 + 5.0 * by, 4.0] for stage, by in changed.items()}


@pytest.mark.parametrize(
    ("changed", "latents_differ", "stage"),
    [
        ({"text_encode": 0.2, "unet_call": 0.3, "denoise": 0.4}, True, "text_encode"),
        ({"unet_call": 0.12, "denoise": 0.4, "vae_decode": 0.3}, True, "unet_call"),
        ({"denoise": 0.4, "vae_decode": 0.3}, True, "denoise"),
        ({"vae_decode": 0.12}, False, "vae_decode"),
        ({"text_encode": 0.2, "unet_call": 0.3}, False, ""),
        ({"text_encode": 0.04, "denoise": 0.06}, True, "denoise"),
        ({"vae_decode": 0.06}, False, ""),  # within the error of a sketch
        ({}, False, ""),
    ],
)
def test_the_first_stage_that_differs_is_found(
    changed: dict[str, float], latents_differ: bool, stage: str
) -> None:
    found, distance = find_stage(sketches(**changed), SAME, 0.05, latents_differ)
    assert found == stage
    assert math.isnan(distance) if not stage else distance == pytest.approx(changed[stage])


@pytest.mark.parametrize("known", [{}, {"text_encode": [3.0, 4.0]}, {"unet_call": [3.0]}])
def test_without_sketches_of_the_stages_before_it_is_unknown(known: dict[str, list[float]]) -> None:
    assert find_stage(known, SAME, 0.05, latents_differ=True)[0] == ""
    assert find_stage(SAME, known, 0.05, latents_differ=True)[0] == ""


def test_a_decoder_that_differs_means_no_parity_whatever_the_latents() -> None:
    differs = Parity(distance=0.0, allowed=0.05, stage="vae_decode", stage_distance=0.12)
    assert differs.ok is False
    assert differs.where == "only the decoder differs, by 12 %"
    assert Parity(distance=0.0, allowed=0.05).where == ""


@pytest.mark.parametrize(
    ("distance", "text"),
    [(0.0031, "0.31 %"), (0.12, "12 %"), (1.5, "150 %"), (37.0, "more than 1000 %")],
)
def test_a_distance_in_percent(distance: float, text: str) -> None:
    parity = Parity(distance=1.0, allowed=0.05, stage="unet_call", stage_distance=distance)
    assert parity.where == f"the UNet's first call already differs by {text}"
