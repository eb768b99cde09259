"""diffusers' schedulers, set up like the published code, or with their defaults.

Imports are inside the functions, for the reason in tests/fidelity/peers.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sd_bench.config.schema import ScheduleConfig

_PREDICTIONS = {"eps": "epsilon", "v": "v_prediction"}


def pndm(steps: int, **changes: Any) -> Any:
    """PLMS: without Runge-Kutta steps, timesteps offset by one, the last step to alpha[0]."""
    from diffusers import PNDMScheduler

    published = {"skip_prk_steps": True, "steps_offset": 1, "set_alpha_to_one": False}
    return _ready(PNDMScheduler, steps, published | changes)


def ddim(steps: int, prediction: str, **changes: Any) -> Any:
    from diffusers import DDIMScheduler

    published = {
        "steps_offset": 1,
        "set_alpha_to_one": False,
        "clip_sample": False,
        "prediction_type": _PREDICTIONS[prediction],
    }
    return _ready(DDIMScheduler, steps, published | changes)


def dpm_solver(steps: int, prediction: str, **changes: Any) -> Any:
    """DPM-Solver++ of second order that ends at alpha[0]. It rounds timesteps to integers."""
    from diffusers import DPMSolverMultistepScheduler

    published = {
        "algorithm_type": "dpmsolver++",
        "solver_order": 2,
        "final_sigmas_type": "sigma_min",
        "steps_offset": 1,  # without effect here; a pipeline refuses 0
        "prediction_type": _PREDICTIONS[prediction],
    }
    return _ready(DPMSolverMultistepScheduler, steps, published | changes)


def dpm_solver_uniform_in_time(steps: int, prediction: str) -> Any:
    """Like ``dpm_solver``, on the published time grid: 999 to 0 in equal parts, not rounded.

    Between two timesteps the logarithm of the signal is linear (Lu et al. 2022, section 4.2 of
    arXiv:2206.00927 for schedules in discrete time).
    """
    scheduler = dpm_solver(steps, prediction)
    log_signal = 0.5 * np.log(scheduler.alphas_cumprod.double().numpy())
    grid = np.linspace(len(log_signal) - 1, 0, steps + 1)
    signal = np.exp(np.interp(grid, np.arange(len(log_signal)), log_signal))
    scheduler.timesteps = torch.from_numpy(grid[:-1])
    scheduler.sigmas = torch.from_numpy(np.sqrt(1 - signal**2) / signal).float()
    scheduler.set_begin_index(0)  # otherwise it looks up the first timestep among integers
    return scheduler


def _ready(make: Any, steps: int, settings: dict[str, Any]) -> Any:
    schedule = ScheduleConfig()
    scheduler = make(
        num_train_timesteps=schedule.num_timesteps,
        beta_start=schedule.linear_start,
        beta_end=schedule.linear_end,
        beta_schedule="scaled_linear",
        **settings,
    )
    scheduler.set_timesteps(steps)
    return scheduler
