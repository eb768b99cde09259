"""Our plugins of Hydra, known to it whatever hides the folder that it looks into.

Hydra finds plugins in the namespace package ``hydra_plugins``. A package of that name in the
working folder, with an ``__init__.py``, hides all others.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Sequence

from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
from omegaconf import DictConfig

from sd_bench.errors import ConfigError
from sd_bench.paths import PACKAGE_DIR

_FOLDER = PACKAGE_DIR.parent / "hydra_plugins"
_SWEEPER, _OURS = "hydra/sweeper", "matrix"
_OUR_SWEEPER = "hydra_plugins.sd_bench_launcher.MatrixSweeper"


def check_sweeper_typed(overrides: Sequence[str]) -> None:
    """Raises ConfigError for a sweeper that is not ours, before Hydra has begun anything."""
    for argument in overrides:
        name, _, option = argument.lstrip("+").partition("=")
        if name == _SWEEPER and option.strip("'\"") != _OURS:
            raise _not_ours(argument)


def check_sweeper(sweeper: DictConfig) -> None:
    """The same of what was composed, wherever it is chosen. Raises ConfigError."""
    if sweeper._target_ != _OUR_SWEEPER:
        raise _not_ours(f"hydra.sweeper._target_={sweeper._target_}")


def _not_ours(argument: str) -> ConfigError:
    return ConfigError(
        f"{argument}: only {_SWEEPER}={_OURS} is supported here, since every round contains all "
        "cells; leave it out, and list what to measure: -m NAME=VALUE,VALUE"
    )


def register_plugins() -> None:
    """Load what of ours Hydra has not found by itself, and register it."""
    plugins = Plugins.instance()
    known = {name.rpartition(".")[0] for name in plugins.class_name_to_class}
    for file in sorted(_FOLDER.glob("sd_bench_*/__init__.py")):
        name = f"hydra_plugins.{file.parent.name}"
        if name in known:
            continue
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, Plugin) and found.__module__ == name:
                plugins.register(found)
