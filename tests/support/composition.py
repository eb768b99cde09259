"""Configurations for tests and tools beside them, composed by Hydra as the command does it."""

from __future__ import annotations

from collections.abc import Callable

from hydra import compose, initialize_config_dir

from sd_bench.cli.command import arguments_for_hydra, register
from sd_bench.config import Config, from_hydra
from sd_bench.paths import CONF_DIR

Compose = Callable[..., Config]

#: A UNet of one level with 8 attention modules: the compiler is done with it in seconds.
QUICK_TO_COMPILE = ("model_version.unet.channel_mult=[1]", "model_version.unet.num_res_blocks=1")


def compose_config(*overrides: str) -> Config:
    """A Config of these overrides, as in ``compose_config("attention=math", "batch_size=2")``."""
    register()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return from_hydra(compose("config", arguments_for_hydra(overrides)))
