"""Configurations for tests and tools beside them, composed by Hydra as the command does it."""

from __future__ import annotations

from hydra import compose, initialize_config_dir

from sd_bench.command import arguments_for_hydra, register
from sd_bench.config import Config, from_hydra
from sd_bench.paths import CONF_DIR


def compose_config(*overrides: str) -> Config:
    """A Config of these overrides, as in ``compose_config("attention=math", "batch_size=2")``."""
    register()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return from_hydra(compose("config", arguments_for_hydra(overrides)))
