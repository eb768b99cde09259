"""Sketches: how precisely two of them give a distance, and that they are reproducible."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sd_bench.measurement.sketches import SIZE, sketch, sketch_stages
from sd_bench.verdicts.parity import relative_l2


def estimated(one: torch.Tensor, other: torch.Tensor) -> float:
    return relative_l2(np.array(sketch(one)), np.array(sketch(other)))


def true_distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return relative_l2(one.double().numpy(), other.double().numpy())


def differing(generator: torch.Generator, kind: str, size: float) -> torch.Tensor:
    """A difference of this size: everywhere, in one corner, at a few points, or a constant."""
    change = torch.zeros(2, 4, 24, 32)
    if kind == "everywhere":
        change = torch.randn(change.shape, generator=generator)
    elif kind == "in a corner":
        change[:, :, :6, :8] = torch.randn(2, 4, 6, 8, generator=generator)
    elif kind == "at points":
        points = torch.randperm(change.numel(), generator=generator)[:5]
        change.view(-1)[points] = 1.0
    else:
        change += 1.0
    return size * change / change.norm()


@pytest.mark.parametrize("kind", ["everywhere", "in a corner", "at points", "constant"])
@pytest.mark.parametrize("size", [1e-3, 0.05, 1.0])
def test_a_distance_is_estimated_within_thirty_percent(kind: str, size: float) -> None:
    errors = []
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        one = torch.randn(2, 4, 24, 32, generator=generator)
        other = one + differing(generator, kind, size * float(one.norm()))
        errors.append(estimated(other, one) / true_distance(other, one) - 1)
    within = np.mean(np.abs(errors) < 0.3)
    assert within >= 0.95
    assert abs(np.mean(errors)) < 0.1
    assert np.std(errors) < 0.17


def test_pictures_are_distinguished_as_latents_are() -> None:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(2, 3, 300, 320, generator=generator)  # of more elements than a block has
    pixels = torch.cat([pixels] * 2)
    other = (pixels * 0.9 + 0.02).clamp(0, 1)
    assert estimated(other, pixels) == pytest.approx(true_distance(other, pixels), rel=0.3)
    assert estimated(pixels, pixels) == 0.0


def test_a_sketch_of_known_numbers_is_what_it_always_was() -> None:
    sums = sketch(torch.arange(1000.0).reshape(2, 500))
    assert len(sums) == SIZE
    assert sums[:4] == [-3661.0, -1684.0, 3716.0, -2764.0]
    assert math.fsum(abs(value) for value in sums) == 126770.0


def test_layout_dtype_and_gradient_make_no_difference() -> None:
    images = torch.randn(2, 4, 6, 5)
    expected = sketch(images)
    assert sketch(images.contiguous(memory_format=torch.channels_last)) == expected
    assert sketch(images.double().requires_grad_()) == expected
    halves = images.bfloat16()
    assert sketch(halves) == sketch(halves.float())


def test_what_is_not_finite_has_no_sketch() -> None:
    outputs = {"denoise": torch.tensor([1.0, math.nan]), "vae_decode": torch.ones(3)}
    assert list(sketch_stages(outputs)) == ["vae_decode"]
