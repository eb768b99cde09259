"""PLMS, the published sampler: pseudo linear multi-step (Liu et al. 2022, arXiv:2202.09778)."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from sd_bench.sampling.sampler import Model, to_sample
from sd_bench.sampling.schedule import Schedule

#: Adams-Bashforth weights, newest prediction first, by the number of earlier predictions.
_MULTISTEP_WEIGHTS = {
    1: (3 / 2, -1 / 2),
    2: (23 / 12, -16 / 12, 5 / 12),
    3: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


class PLMS:
    """PLMS for eps-prediction: steps + 1 UNet calls, because the first step is taken twice."""

    def __init__(self, schedule: Schedule, steps: int) -> None:
        self.schedule = schedule
        self.timesteps = schedule.uniform_timesteps(steps)
        self.num_unet_calls = steps + 1

    def __call__(
        self, model: Model, x: Tensor, on_step: Callable[[], None], noise: Callable[[], Tensor]
    ) -> Tensor:
        descending = self.timesteps[::-1]
        targets = self.schedule.previous_timesteps(self.timesteps)[::-1]
        history: list[Tensor] = []  # predictions of earlier steps, newest first
        for index, (t, target) in enumerate(zip(descending, targets, strict=True)):
            eps = model(x, t)
            if history:
                weights = _MULTISTEP_WEIGHTS[len(history)]
                combined = weights[0] * eps
                for weight, earlier in zip(weights[1:], history, strict=True):
                    combined = combined + weight * earlier
            else:  # pseudo improved Euler: predict again at the first step's result
                t_next = descending[min(index + 1, len(descending) - 1)]
                combined = (eps + model(self._step(x, eps, t, target), t_next)) / 2
            x = self._step(x, combined, t, target)
            history = [eps, *history][:3]
            on_step()
        return x

    def _step(self, x: Tensor, eps: Tensor, t: int, target: int) -> Tensor:
        a_t, a_target = self.schedule.alphas_cumprod[t], self.schedule.alphas_cumprod[target]
        x0 = to_sample("eps", eps, x, a_t)
        return math.sqrt(a_target) * x0 + math.sqrt(1 - a_target) * eps
