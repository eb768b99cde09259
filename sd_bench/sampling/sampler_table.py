"""The samplers by name."""

from __future__ import annotations

from collections.abc import Callable

from sd_bench.config.schema import ModelConfig, SamplerConfig
from sd_bench.sampling.ddim import DDIM
from sd_bench.sampling.dpm_solver import DPMSolver
from sd_bench.sampling.plms import PLMS
from sd_bench.sampling.sampler import Sampler
from sd_bench.sampling.schedule import Schedule, make_schedule

_MAKERS: dict[str, Callable[[Schedule, SamplerConfig, str], Sampler]] = {
    "plms": lambda schedule, config, prediction: PLMS(schedule, config.steps),
    "ddim": lambda schedule, config, prediction: DDIM(
        schedule, config.steps, prediction, config.eta
    ),
    "dpm_solver": lambda schedule, config, prediction: DPMSolver(
        schedule, config.steps, prediction
    ),
}


def make_sampler(config: SamplerConfig, model: ModelConfig) -> Sampler:
    """The sampler that ``config`` names, for the model's schedule and kind of prediction."""
    return _MAKERS[config.name](make_schedule(model.schedule), config, model.prediction)
