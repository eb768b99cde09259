"""diffusers' schedulers with settings that make them sample as our samplers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, PNDMScheduler

from sd_bench.config.schema import Config

_PREDICTIONS = {"eps": "epsilon", "v": "v_prediction"}
#: The scheduler of each sampler, with the settings that differ from diffusers' defaults. The
#: published code's timesteps are multiples plus one, and its last step ends at alpha[0].
_SCHEDULERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "plms": (
        PNDMScheduler,
        {"skip_prk_steps": True, "steps_offset": 1, "set_alpha_to_one": False},
    ),
    "ddim": (
        DDIMScheduler,
        {"steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False},
    ),
    "dpm_solver": (
        DPMSolverMultistepScheduler,
        {
            "algorithm_type": "dpmsolver++",
            "solver_order": 2,
            "final_sigmas_type": "sigma_min",
            "steps_offset": 1,  # without effect here, but the pipeline warns of any other value
        },
    ),
}


def make_scheduler(config: Config) -> Any:
    """The scheduler that samples as the cell's sampler does.

    diffusers rounds DPM-Solver's timesteps to integers, so its latents differ slightly from ours.
    """
    make, settings = _SCHEDULERS[config.sampler.name]
    schedule = config.model_version.schedule
    return make(
        num_train_timesteps=schedule.num_timesteps,
        beta_start=schedule.linear_start,
        beta_end=schedule.linear_end,
        beta_schedule="scaled_linear",
        prediction_type=_PREDICTIONS[config.model_version.prediction],
        **settings,
    )
