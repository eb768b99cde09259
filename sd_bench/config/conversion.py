"""Converts a configuration from what Hydra composed, and to JSON for workers and back."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf, read_write

from sd_bench.command_lines import shown
from sd_bench.config.schema import Config, ModelConfig
from sd_bench.errors import ConfigError
from sd_bench.paths import CONF_DIR


@cache
def known_models() -> tuple[ModelConfig, ...]:
    """Every option of the group model_version."""
    schema = OmegaConf.structured(ModelConfig)
    files = sorted((CONF_DIR / "model_version").glob("*.yaml"))
    models = [OmegaConf.to_object(OmegaConf.merge(schema, OmegaConf.load(f))) for f in files]
    return tuple(model for model in models if isinstance(model, ModelConfig))


@cache
def scale_option(scale: str) -> DictConfig:
    """The content of an option of the group ``scale``."""
    option = OmegaConf.load(CONF_DIR / "scale" / f"{scale}.yaml")
    assert isinstance(option, DictConfig)
    return option


def at_scale(composed: DictConfig, scale: str) -> DictConfig:
    """A copy of what Hydra composed, with the workload of this scale."""
    copy = composed.copy()
    with read_write(copy):
        copy.merge_with(scale_option(scale))
    return copy


def from_hydra(composed: DictConfig) -> Config:
    """The Config that Hydra composed, with references resolved.

    Raises OmegaConf's errors for wrong types, ConfigError for groups removed with ``~`` and names
    added with ``+``.
    """
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    known = to_dict(config)
    if deleted := known.keys() - composed.keys():
        raise ConfigError(f"~{min(deleted)}: every group is needed; name another option instead")
    for name, value in ((str(key), value) for key, value in composed.items()):
        added = set(value) - set(known[name]) if isinstance(known.get(name), dict) else set()
        if name not in known or added:
            unknown = f"{name}.{min(added)}" if added else name
            how = shown("sd_bench", "--cfg", "job")
            raise ConfigError(f"{unknown}: no such value; {how} lists all")
    return config


def from_dict(data: dict[str, Any]) -> Config:
    """The inverse of ``to_dict``."""
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), data))
    assert isinstance(config, Config)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain containers, for JSON."""
    return dataclasses.asdict(config)
