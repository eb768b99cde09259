"""Registers our Hydra plugins, even where another package hides the folder that Hydra searches.

Hydra finds plugins in the namespace package ``hydra_plugins``. A package of that name in the
working folder, with an ``__init__.py``, would hide all others, and its code would run.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
from omegaconf import DictConfig

from sd_bench.errors import ConfigError
from sd_bench.paths import PACKAGE_DIR

_NAMESPACE = "hydra_plugins"
_FOLDER = PACKAGE_DIR.parent / _NAMESPACE
_SWEEPER, _OURS = "hydra/sweeper", "matrix"
_OUR_SWEEPER = "hydra_plugins.sd_bench_launcher.MatrixSweeper"


def check_sweeper_typed(overrides: Sequence[str]) -> None:
    """Raise ConfigError if an override chooses a sweeper that is not ours, before Hydra starts."""
    for argument in overrides:
        name, _, option = argument.lstrip("+").partition("=")
        if name == _SWEEPER and option.strip("'\"") != _OURS:
            raise _not_ours(argument)


def check_sweeper(sweeper: DictConfig) -> None:
    """Raise ConfigError if the composed sweeper is not ours, wherever it was chosen."""
    if sweeper._target_ != _OUR_SWEEPER:
        raise _not_ours(f"hydra.sweeper._target_={sweeper._target_}")


def _not_ours(argument: str) -> ConfigError:
    return ConfigError(
        f"{argument}: only {_SWEEPER}={_OURS} is supported here, since every round contains all "
        "cells; leave it out, and list what to measure: -m NAME=VALUE,VALUE"
    )


def register_plugins() -> None:
    """Load and register those of our plugins that Hydra has not found."""
    _make_a_namespace()
    plugins = Plugins.instance()
    known = {name.rpartition(".")[0] for name in plugins.class_name_to_class}
    for file in sorted(_FOLDER.glob("sd_bench_*/__init__.py")):
        name = f"{_NAMESPACE}.{file.parent.name}"
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


def _make_a_namespace() -> None:
    """Make ``hydra_plugins`` a namespace package of all folders of that name on the path."""
    if _NAMESPACE in sys.modules:
        return
    spec = importlib.util.find_spec(_NAMESPACE)
    if spec is None or spec.origin is None:  # it is one already
        return
    module = ModuleType(_NAMESPACE)
    folders = [Path(entry).absolute() / _NAMESPACE for entry in sys.path]
    module.__path__ = [str(folder) for folder in folders if folder.is_dir()]
    sys.modules[_NAMESPACE] = module
