"""Our samplers against diffusers' schedulers, step by step, on the same model.

Each side continues from its own latents. The model is a cheap nonlinear one, or a tiny UNet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sd_bench.config.schema import SamplerConfig, ScheduleConfig
from sd_bench.sampling.sampler import Model
from sd_bench.sampling.sampler_table import make_sampler
from sd_bench.sampling.schedule import make_schedule
from tests.fidelity import schedulers
from tests.fidelity.comparison import (
    DIFFERENCE,
    TRAJECTORY,
    Comparison,
    worst_error,
)
from tests.fidelity.ours import fp32_config, normal, random_unet, text_like

SHAPE = (2, 4, 16, 16)
STAND_IN = "stand-in"
_SCHEDULERS = {
    "plms": "diffusers PNDMScheduler",
    "ddim": "diffusers DDIMScheduler",
    "dpm_solver": "diffusers DPMSolverMultistepScheduler",
}
#: A model of each kind of prediction; samplers use only its schedule and kind of prediction.
_MODEL_OF_PREDICTION = {"eps": "sd2_tiny", "v": "sd2_768_tiny"}


def stand_in(prediction: str) -> Model:
    """A cheap model that answers like a trained one.

    It estimates noise-free latents of order one from each position's neighbours and the time, and
    returns the noise or velocity that follows from them.
    """
    alphas = make_schedule(ScheduleConfig()).alphas_cumprod

    def model(x: Tensor, t: float) -> Tensor:
        signal = math.sqrt(np.interp(t, np.arange(len(alphas)), alphas))
        noise_level = math.sqrt(1 - signal**2)
        mixed = 1.2 * x - 0.7 * x.roll(1, dims=-1) + 0.4 * x.roll(1, dims=1)
        guess = 2 * torch.tanh(mixed * (0.6 + signal))
        eps = (x - signal * guess) / noise_level
        return eps if prediction == "eps" else signal * eps - noise_level * guess

    return model


def model_named(name: str, prediction: str) -> Model:
    """The stand-in, or the UNet of a tiny model with a context of noise."""
    if name == STAND_IN:
        return stand_in(prediction)
    config = fp32_config(name)
    assert config.model_version.prediction == prediction
    unet = random_unet(config)
    context = text_like(SHAPE[0], config.model_version.unet.context_dim)
    return lambda x, t: unet(x, torch.full((len(x),), t), context)


@torch.no_grad()
def our_trajectory(
    sampler: SamplerConfig, prediction: str, model: Model, noises: list[Tensor]
) -> list[Tensor]:
    """The latents that the model gets at each call, then the final ones."""
    version = fp32_config(_MODEL_OF_PREDICTION[prediction]).model_version
    shown: list[Tensor] = []

    def recording(x: Tensor, t: float) -> Tensor:
        shown.append(x)
        return model(x, t)

    walk = make_sampler(sampler, version)
    last = walk(recording, normal(*SHAPE), lambda: None, iter(noises).__next__)
    return [*shown, last]


@torch.no_grad()
def their_trajectory(
    scheduler: Any, model: Model, eta: float, noises: list[Tensor]
) -> list[Tensor]:
    """As ``our_trajectory``, by a diffusers scheduler."""
    x, shown = normal(*SHAPE), []
    for index, t in enumerate(scheduler.timesteps):
        shown.append(x)
        drawn = {"eta": eta, "variance_noise": noises[index]} if eta else {}
        x = scheduler.step(model(x, t.item()), t, x, **drawn).prev_sample
    return [*shown, x]


def trajectory_error(
    name: str,
    steps: int,
    prediction: str,
    make_scheduler: Callable[[], Any],
    model_name: str = STAND_IN,
    eta: float = 0.0,
) -> float:
    """The largest relative error of the latents of any step."""
    model = model_named(model_name, prediction)
    noises = [normal(*SHAPE, seed=1000 + step) for step in range(steps)]
    ours = our_trajectory(SamplerConfig(name, steps, eta), prediction, model, noises)
    theirs = their_trajectory(make_scheduler(), model, eta, noises)
    return worst_error(ours, theirs)


def _plms(model: str, **changes: Any) -> Comparison:
    make = partial(schedulers.pndm, 50, **changes)
    return _comparison("plms", 50, "eps", model, make, changes)


def _ddim(prediction: str, model: str, eta: float = 0.0, **changes: Any) -> Comparison:
    make = partial(schedulers.ddim, 50, prediction, **changes)
    return _comparison("ddim", 50, prediction, model, make, changes, eta)


def _dpm_solver(steps: int, prediction: str, model: str, **changes: Any) -> Comparison:
    make = partial(schedulers.dpm_solver, steps, prediction, **changes)
    return _comparison("dpm_solver", steps, prediction, model, make, changes)


def _dpm_solver_uniform_in_time(prediction: str, model: str) -> Comparison:
    make = partial(schedulers.dpm_solver_uniform_in_time, 50, prediction)
    return _comparison("dpm_solver", 50, prediction, model, make, {"timesteps": "not rounded"})


def _comparison(
    name: str,
    steps: int,
    prediction: str,
    model: str,
    make_scheduler: Callable[[], Any],
    settings: dict[str, Any],
    eta: float = 0.0,
) -> Comparison:
    noisy = f", eta {eta:g}" if eta else ""
    details = "".join(f", {key} {value}" for key, value in settings.items())
    return Comparison(
        name=f"{name}{noisy}, {prediction}, {steps} steps, {model}",
        against=_SCHEDULERS[name] + details,
        tolerance=TRAJECTORY,
        measure=partial(trajectory_error, name, steps, prediction, make_scheduler, model, eta),
        needs=("diffusers",),
    )


COMPARISONS = [
    _plms(STAND_IN),
    _plms("sd1_tiny"),
    _plms("sd2_tiny"),
    *(_ddim(prediction, STAND_IN, eta) for prediction in ("eps", "v") for eta in (0.0, 0.5, 1.0)),
    _ddim("eps", "sd2_tiny"),
    _ddim("v", "sd2_768_tiny"),
    _ddim("v", "sd2_768_tiny", eta=1.0),
    _dpm_solver_uniform_in_time("eps", STAND_IN),
    _dpm_solver_uniform_in_time("v", STAND_IN),
    _dpm_solver_uniform_in_time("eps", "sd2_tiny"),
    _dpm_solver_uniform_in_time("v", "sd2_768_tiny"),
    # 999 is a multiple of 9, 27 and 37: these grids are of integers. Fewer than 15 steps end in
    # one of first order.
    *(_dpm_solver(steps, p, STAND_IN) for steps in (9, 27, 37) for p in ("eps", "v")),
    _dpm_solver(37, "v", "sd2_768_tiny"),
]

#: The settings in which diffusers' defaults are not the published code's.
DIFFERENCES = [
    replace(comparison, tolerance=DIFFERENCE)
    for comparison in (
        _plms(STAND_IN, steps_offset=0),
        _ddim("eps", STAND_IN, steps_offset=0),
        _ddim("eps", STAND_IN, set_alpha_to_one=True),
        _ddim("eps", STAND_IN, clip_sample=True),
        _comparison(
            "dpm_solver",
            50,
            "eps",
            STAND_IN,
            partial(schedulers.dpm_solver, 50, "eps"),
            {"timesteps": "rounded"},
        ),
        _dpm_solver(37, "eps", STAND_IN, final_sigmas_type="zero"),
    )
]
