"""diffusers' schedulers, set up to sample as ours do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, PNDMScheduler

from sd_bench.config.schema import Config

_PREDICTIONS = {"eps": "epsilon", "v": "v_prediction"}
#: The scheduler of each sampler, and what of its settings differs from diffusers' defaults. The
#: published code's timesteps are one later than multiples, and its last step ends at alpha[0].
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
            "steps_offset": 1,  # without effect here; the pipeline warns of any other
        },
    ),
}


def make_scheduler(config: Config) -> Any:
    """The scheduler that samples as the cell's sampler.

    DPM-Solver's timesteps are rounded to integers there: so its latents are near ours, no nearer.
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
