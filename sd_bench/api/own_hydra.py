"""Hydra for ourselves: its state belongs to the process, and a caller may have begun one, too."""

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

#: What Hydra knows of the program that has begun it.
_OF_A_PROGRAM = (GlobalHydra, HydraConfig, JobRuntime, ConfigStore, VersionBase)
_LOCK = threading.RLock()


@contextmanager
def own_hydra() -> Iterator[None]:
    """A Hydra that nobody has initialised, and afterwards again the caller's as it was.

    One thread at a time: another one waits.
    """
    with _LOCK:
        stored = ConfigStore.instance().repo
        theirs, resolvers = Singleton._instances, dict(BaseContainer._resolvers)
        Plugins.instance()  # found once, and the same for everybody
        Singleton._instances = {k: it for k, it in theirs.items() if k not in _OF_A_PROGRAM}
        ConfigStore.instance().repo = _copied(stored)
        try:
            yield
        finally:
            Singleton._instances = theirs
            BaseContainer._resolvers = resolvers


def _copied(stored: dict[str, Any]) -> dict[str, Any]:
    """Groups with their options, which nobody changes: only what is in a group is."""
    return {
        name: _copied(value) if isinstance(value, dict) else value for name, value in stored.items()
    }
