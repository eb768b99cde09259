"""What every sampler shares: its signature, and the conversions between what a UNet predicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

#: The guided UNet: latents [B, 4, H, W] fp32 and a timestep to its prediction, same shape, fp32.
Model = Callable[[Tensor, float], Tensor]


class Sampler(Protocol):
    """Turns noise into latents.

    ``on_step`` is called after each step; ``noise`` draws fresh standard noise of x's shape, for
    samplers that are stochastic. ``timesteps`` are the timesteps that the UNet gets, ascending or
    descending.
    """

    num_unet_calls: int

    @property
    def timesteps(self) -> Sequence[float]: ...

    def __call__(
        self, model: Model, x: Tensor, on_step: Callable[[], None], noise: Callable[[], Tensor]
    ) -> Tensor: ...


def to_noise(prediction: str, output: Tensor, x: Tensor, alpha_cumprod: float) -> Tensor:
    """The noise in ``x`` that a prediction of noise ("eps") or velocity ("v") stands for.

    v = sqrt(a) * noise - sqrt(1 - a) * x0 (Salimans and Ho 2022, arXiv:2202.00512).
    """
    if prediction == "eps":
        return output
    return math.sqrt(alpha_cumprod) * output + math.sqrt(1 - alpha_cumprod) * x


def to_sample(prediction: str, output: Tensor, x: Tensor, alpha_cumprod: float) -> Tensor:
    """The noise-free latents that the same prediction stands for."""
    signal, noise = math.sqrt(alpha_cumprod), math.sqrt(1 - alpha_cumprod)
    if prediction == "eps":
        return (x - noise * output) / signal
    return signal * x - noise * output
