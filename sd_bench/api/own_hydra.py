"""A private Hydra: its state is global to the process, and the caller may use Hydra as well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf.basecontainer import BaseContainer

#: Hydra's singletons that hold state of the program that started it.
_OF_A_PROGRAM = (GlobalHydra, HydraConfig, JobRuntime, ConfigStore, VersionBase)
_LOCK = threading.RLock()


@contextmanager
def own_hydra() -> Iterator[None]:
    """Provide a Hydra that has not been initialised, and restore the caller's afterwards.

    Other threads wait for their turn.
    """
    with _LOCK:
        stored = ConfigStore.instance().repo
        theirs, resolvers = Singleton._instances, dict(BaseContainer._resolvers)
        Plugins.instance()  # kept: finding plugins once is enough
        Singleton._instances = {k: it for k, it in theirs.items() if k not in _OF_A_PROGRAM}
        ConfigStore.instance().repo = _copied(stored)
        try:
            yield
        finally:
            Singleton._instances = theirs
            BaseContainer._resolvers = resolvers


def _copied(stored: dict[str, Any]) -> dict[str, Any]:
    """A copy of the tree of groups; the options in it are shared, since nothing changes them."""
    return {
        name: _copied(value) if isinstance(value, dict) else value for name, value in stored.items()
    }
