"""Composes a configuration with Hydra for the devices of this machine."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from importlib import metadata
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, ListConfig, OmegaConf

from sd_bench.capabilities import devices
from sd_bench.capabilities.allocators import cpu_allocator
from sd_bench.capabilities.fastest import choice_here
from sd_bench.capabilities.hydra_plugins import register_plugins
from sd_bench.capabilities.implementations import list_implementations
from sd_bench.capabilities.nvidia_driver import cuda_devices
from sd_bench.capabilities.support_rules import with_stand_ins
from sd_bench.capabilities.torch_features import can, version_tuple
from sd_bench.config.conversion import from_hydra
from sd_bench.config.hydra_arguments import arguments_for_hydra
from sd_bench.config.schema import OUR_IMPLEMENTATION, AllocatorConfig, Config
from sd_bench.paths import CONF_DIR


def register() -> None:
    """Register the schema and our plugins with Hydra, and conf/'s resolvers with OmegaConf."""
    register_plugins()
    ConfigStore.instance().store(name="schema", node=Config)
    OmegaConf.register_new_resolver(
        "sd_bench.detected_gpu_path", lambda: f"/gpu/{devices.detected_gpu()}", replace=True
    )
    OmegaConf.register_new_resolver("sd_bench.cpu_precision", devices.cpu_precision, replace=True)
    OmegaConf.register_new_resolver("sd_bench.cpu_allocator", cpu_allocator, replace=True)
    OmegaConf.register_new_resolver("sd_bench.allocator", _field_of_allocator, replace=True)
    OmegaConf.register_new_resolver(
        "sd_bench.with_stand_ins",
        lambda names: with_stand_ins(names, devices.present_capability()),
        replace=True,
    )
    for name, resolve in (
        ("here", lambda on_cpu, on_cuda: on_cuda if cuda_devices() else on_cpu),
        ("implementations_but", _implementations_but),
        ("by_kind", lambda kind, on_cpu, on_cuda: on_cpu if kind == "cpu" else on_cuda),
        ("compiled_on_a_cpu", lambda kind, mode: kind == "cpu" and mode != "off"),
        ("graphed_on_cuda", lambda kind, mode: kind == "cuda" and mode in ("off", "default")),
        ("packed_on_a_cpu", _packs_weights),
        ("fastest", choice_here),
    ):
        OmegaConf.register_new_resolver(f"sd_bench.{name}", resolve, replace=True)


def _packs_weights(
    kind: str, mode: str, implementation: str, precision: str, requires_torch: str | None
) -> bool:
    """Whether a cell can have weights packed for oneDNN.

    ``requires_torch`` is the version that its ``torch_env`` asks for, as in ``1.12``; with a bare
    ``2`` or None the PyTorch of this interpreter decides.
    """
    is_ours = implementation == OUR_IMPLEMENTATION
    if kind != "cpu" or mode != "off" or not is_ours or precision == "autocast":
        return False
    torch = requires_torch if requires_torch and "." in requires_torch else _torch_here()
    return torch is not None and can(version_tuple(torch), "packed oneDNN weights")


def _torch_here() -> str | None:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return None


def _implementations_but(names: str) -> str:
    """Every implementation except ``names``; both are separated by commas."""
    return ",".join(name for name in list_implementations() if name not in names.split(","))


@cache
def _allocator_option(name: str) -> DictConfig | ListConfig:
    return OmegaConf.load(CONF_DIR / "allocator" / f"{name}.yaml")


def _field_of_allocator(name: str, field: str) -> Any:
    """The value of a field in the option ``name`` of the group ``allocator``."""
    option = _allocator_option(name)
    default = OmegaConf.structured(AllocatorConfig)[field]
    return deepcopy(OmegaConf.select(option, field, default=default))  # the caller may change it


def add_options_of_packages(search_path: ConfigSearchPath) -> None:
    """Let Hydra find the options of implementations that other packages add.

    Hydra calls this for every program in this interpreter; other programs' search paths are left
    alone. Raises ConfigError for an entry point that cannot be used.
    """
    if all(
        str(part.path).removeprefix("file://") != str(CONF_DIR) for part in search_path.get_path()
    ):
        return
    for entry in list_implementations().values():
        if entry.conf is not None:
            search_path.append(provider=entry.name, path=entry.conf)


def compose_config(*overrides: str) -> Config:
    """The Config of some overrides, as in ``compose_config("attention=math", "batch_size=2")``."""
    register()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return from_hydra(compose("config", arguments_for_hydra(overrides)))
