"""Configurations for tests and their tools, composed by Hydra like those of the command."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy

from sd_bench.capabilities import devices
from sd_bench.capabilities.allocators import cpu_allocator
from sd_bench.capabilities.composition import compose_config
from sd_bench.config.schema import Config

Compose = Callable[..., Config]

#: A UNet of one level with 8 attention modules, which compiles in seconds.
QUICK_TO_COMPILE = ("model_version.unet.channel_mult=[1]", "model_version.unet.num_res_blocks=1")
#: For other devices the result depends on the machine, which tests change.
_OF_ANY_MACHINE = (
    *("attention", "batch_size", "compile", "images", "model_version", "optimizations"),
    *("precision", "protocol", "sampler", "weights_seed", "workload"),
)

_composed: dict[tuple[str, ...], Config] = {}


def composed_once(*overrides: str) -> Config:
    """Like `compose_config`; equal choices for a CPU are composed once, and callers get copies."""
    names = {override.partition("=")[0].partition(".")[0] for override in overrides}
    if "gpu=cpu" not in overrides or not names <= {"gpu", *_OF_ANY_MACHINE}:
        return compose_config(*overrides)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    key = (devices.cpu_precision(), cpu_allocator(), visible, *overrides)
    if key not in _composed:
        _composed[key] = compose_config(*overrides)
    return deepcopy(_composed[key])
