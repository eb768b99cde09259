"""The noise schedule and a sampler's timesteps.

Coefficients are Python floats (double precision); latents are fp32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sd_bench.config.schema import ScheduleConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """``alphas_cumprod[t]`` is the share of signal variance left at timestep t, 0 <= t < N."""

    alphas_cumprod: tuple[float, ...]

    @property
    def num_timesteps(self) -> int:
        return len(self.alphas_cumprod)

    def uniform_timesteps(self, steps: int) -> list[int]:
        """The published DDIM and PLMS timesteps, ascending: range(0, N, N / steps) + 1."""
        stride = self.num_timesteps // steps
        return [t + 1 for t in range(0, self.num_timesteps, stride)]

    def previous_timesteps(self, timesteps: list[int]) -> list[int]:
        """For ascending ``timesteps``, where a step from each ends; from the first it is 0."""
        return [0, *timesteps[:-1]]


def make_schedule(config: ScheduleConfig) -> Schedule:
    """The "scaled linear" schedule: betas are the squares of evenly spaced roots."""
    roots = np.linspace(
        math.sqrt(config.linear_start), math.sqrt(config.linear_end), config.num_timesteps
    )
    return Schedule(tuple(np.cumprod(1.0 - roots**2).tolist()))
