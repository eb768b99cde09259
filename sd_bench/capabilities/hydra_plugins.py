"""Our plugins of Hydra, known to it whatever hides the folder that it looks into.

Hydra finds plugins in the namespace package ``hydra_plugins``. A package of that name in the
working folder, with an ``__init__.py``, hides all others.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys

from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin

from sd_bench.paths import PACKAGE_DIR

_FOLDER = PACKAGE_DIR.parent / "hydra_plugins"


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
