"""The interface of all samplers, and conversions between a UNet's kinds of prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

#: The guided UNet: takes fp32 latents [B, 4, H, W] and a timestep, returns the prediction likewise.
Model = Callable[[Tensor, float], Tensor]


class Sampler(Protocol):
    """Turns noise into latents.

    ``on_step`` is called after each step; ``noise`` draws fresh standard noise of x's shape for
    stochastic samplers. ``timesteps`` are those at which the UNet is called, ascending or
    descending.
    """

    num_unet_calls: int

    @property
    def timesteps(self) -> Sequence[float]: ...

    def __call__(
        self, model: Model, x: Tensor, on_step: Callable[[], None], noise: Callable[[], Tensor]
    ) -> Tensor: ...


def to_noise(prediction: str, output: Tensor, x: Tensor, alpha_cumprod: float) -> Tensor:
    """The noise in ``x`` according to a prediction of noise ("eps") or velocity ("v").

    v = sqrt(a) * noise - sqrt(1 - a) * x0 (Salimans and Ho 2022, arXiv:2202.00512).
    """
    if prediction == "eps":
        return output
    return math.sqrt(alpha_cumprod) * output + math.sqrt(1 - alpha_cumprod) * x


def to_sample(prediction: str, output: Tensor, x: Tensor, alpha_cumprod: float) -> Tensor:
    """The noise-free latents according to the same prediction."""
    signal, noise = math.sqrt(alpha_cumprod), math.sqrt(1 - alpha_cumprod)
    if prediction == "eps":
        return (x - noise * output) / signal
    return signal * x - noise * output
