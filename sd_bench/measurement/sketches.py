"""Sketches: 64 sums of a tensor that show how far it is from another one of the same shape.

Each element is added, with a random sign, to one of the sums, chosen at random (the count sketch:
Charikar, Chen and Farach-Colton 2002). The expected sum of their squares is the tensor's own sum of
squares, with a relative standard deviation of at most sqrt(2 / 64) (Weinberger et al. 2009), and
the sketch of a difference is the difference of the sketches. So a relative distance is known to
within about an eighth. Signs and places are bits of numpy's PCG64, whose stream is guaranteed not
to change, and the sums are in double precision and a fixed order, so the same tensor has the same
sketch on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

#: How many sums a sketch has: one random byte holds a place among them and a sign.
SIZE = 64
_SEED = 64
#: Elements that are summed at a time; one random number serves eight of them.
_BLOCK = 2**20
_SIGN_BIT = 7
#: Digits kept of each sum: more than a distance needs, and short in a record.
_DIGITS = 7


def sketch(tensor: torch.Tensor) -> list[float]:
    """The 64 sums of ``tensor``, taking its elements in contiguous order."""
    values = tensor.detach().cpu().double().contiguous().numpy().ravel()
    source = np.random.PCG64(_SEED)
    sums = np.zeros(SIZE)
    for begin in range(0, len(values), _BLOCK):
        block = values[begin : begin + _BLOCK]
        drawn = source.random_raw(-(-len(block) // 8)).astype("<u8").view(np.uint8)[: len(block)]
        sums += np.bincount(drawn % SIZE, weights=_signed(block, drawn), minlength=SIZE)
    return [float(f"{value:.{_DIGITS}g}") for value in sums]


def sketch_stages(outputs: Mapping[str, torch.Tensor]) -> dict[str, list[float]]:
    """The sketch of each stage's output, without outputs that are not finite."""
    sketches = {stage: sketch(output) for stage, output in outputs.items()}
    return {stage: sums for stage, sums in sketches.items() if np.isfinite(sums).all()}


def _signed(block: NDArray[np.float64], drawn: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.where(drawn >> _SIGN_BIT, -block, block)
