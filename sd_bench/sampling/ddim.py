"""DDIM (Song et al. 2021, arXiv:2010.02502), for noise- and v-prediction."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from sd_bench.sampling.sampler import Model, to_noise, to_sample
from sd_bench.sampling.schedule import Schedule


class DDIM:
    """One UNet call per step. ``eta`` 0 is deterministic, 1 is as noisy as ancestral sampling."""

    def __init__(self, schedule: Schedule, steps: int, prediction: str, eta: float = 0.0) -> None:
        self.schedule = schedule
        self.timesteps = schedule.uniform_timesteps(steps)
        self.prediction = prediction
        self.eta = eta
        self.num_unet_calls = steps

    def __call__(
        self, model: Model, x: Tensor, on_step: Callable[[], None], noise: Callable[[], Tensor]
    ) -> Tensor:
        alphas = self.schedule.alphas_cumprod
        targets = self.schedule.previous_timesteps(self.timesteps)
        for t, target in zip(self.timesteps[::-1], targets[::-1], strict=True):
            output = model(x, t)
            eps = to_noise(self.prediction, output, x, alphas[t])
            x0 = to_sample(self.prediction, output, x, alphas[t])
            sigma = self.sigma(alphas[t], alphas[target])
            x = math.sqrt(alphas[target]) * x0 + math.sqrt(1 - alphas[target] - sigma**2) * eps
            if sigma > 0:
                x = x + sigma * noise()
            on_step()
        return x

    def sigma(self, a_t: float, a_target: float) -> float:
        """The standard deviation of a step's fresh noise (equation 16 of the paper)."""
        return self.eta * math.sqrt((1 - a_target) / (1 - a_t) * (1 - a_t / a_target))
