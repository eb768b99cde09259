"""DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095): multistep, second order, uniform in time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from torch import Tensor

from sd_bench.sampling.sampler import Model, to_sample
from sd_bench.sampling.schedule import Schedule

#: With fewer steps than this the last step is of first order, as in the authors' code.
_LOWER_ORDER_BELOW = 15


class DPMSolver:
    """One UNet call per step, at timesteps between the schedule's own."""

    def __init__(self, schedule: Schedule, steps: int, prediction: str) -> None:
        self.prediction = prediction
        self.num_unet_calls = steps
        self.steps = steps
        count = schedule.num_timesteps
        times = np.linspace(1.0, 1.0 / count, steps + 1)
        log_signal = 0.5 * np.log(np.asarray(schedule.alphas_cumprod))
        knots = np.arange(1, count + 1) / count
        self.signal = np.exp(np.interp(times, knots, log_signal)).tolist()
        self.noise_level = [math.sqrt(1 - s * s) for s in self.signal]
        self.half_log_snr = [
            math.log(s) - math.log(n) for s, n in zip(self.signal, self.noise_level, strict=True)
        ]
        #: The timesteps for the UNet, in general not whole numbers.
        self.timesteps = ((times - 1.0 / count) * count).tolist()

    def __call__(
        self, model: Model, x: Tensor, on_step: Callable[[], None], noise: Callable[[], Tensor]
    ) -> Tensor:
        older: Tensor | None = None
        for i in range(self.steps):
            output = model(x, self.timesteps[i])
            newest = to_sample(self.prediction, output, x, self.signal[i] ** 2)
            last_is_first_order = i == self.steps - 1 and self.steps < _LOWER_ORDER_BELOW
            x = self._step(x, i, newest, None if last_is_first_order else older)
            older = newest
            on_step()
        return x

    def _step(self, x: Tensor, i: int, newest: Tensor, older: Tensor | None) -> Tensor:
        """Step from time i to i + 1; of second order if an older prediction of x0 is given."""
        h = self.half_log_snr[i + 1] - self.half_log_snr[i]
        x0 = newest
        if older is not None:
            ratio = (self.half_log_snr[i] - self.half_log_snr[i - 1]) / h
            x0 = newest + (newest - older) * (0.5 / ratio)
        decay = self.noise_level[i + 1] / self.noise_level[i]
        return decay * x - self.signal[i + 1] * math.expm1(-h) * x0
