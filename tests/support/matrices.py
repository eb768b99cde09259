"""The jobs of a command line, as Hydra and our sweeper make them, and their composition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, open_dict, read_write

from sd_bench.capabilities.composition import register
from sd_bench.config.conversion import at_scale, from_hydra
from sd_bench.config.hydra_arguments import arguments_for_hydra
from sd_bench.config.schema import Config
from sd_bench.paths import CONF_DIR


@dataclass(frozen=True, slots=True)
class Matrix:
    """``master`` is composed for the whole command, ``jobs`` are the overrides of its cells."""

    loader: ConfigLoader
    master: DictConfig
    jobs: list[list[str]]

    def by_hydra_alone(self, at: int, scale: str | None = None) -> tuple[Config, str]:
        """A job's configuration and folder name, composed by Hydra without sharing."""
        composed = self.loader.load_sweep_config(self.master, self.jobs[at])
        with read_write(composed), open_dict(composed):
            composed.hydra.job.id = composed.hydra.job.num = at
        subdir = str(composed.hydra.sweep.subdir)
        config = composed.copy()
        with read_write(config), open_dict(config):
            del config["hydra"]
        resolved = from_hydra(config if scale is None else at_scale(config, scale))
        return resolved, subdir


@contextmanager
def matrix_of(*arguments: str, conf: Path = CONF_DIR) -> Iterator[Matrix]:
    """The matrix of ``python -m sd_bench -m`` with these arguments and the options in ``conf``."""
    register()
    with initialize_config_dir(str(conf), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        loader = hydra.config_loader
        typed = arguments_for_hydra(arguments)
        master = loader.load_configuration("config", typed, RunMode.MULTIRUN)
        context = HydraContext(config_loader=loader, callbacks=Callbacks())
        sweeper: Any = Plugins.instance().instantiate_sweeper(
            config=master, hydra_context=context, task_function=lambda _: None
        )  # Hydra has loaded the class a second time, so it differs from an imported one
        parser = OverridesParser.create(config_loader=loader)
        params = [f"{name}={values}" for name, values in sweeper.params.items()]
        overrides = parser.parse_overrides([*params, *master.hydra.overrides.task])
        (jobs,) = sweeper.split_arguments(overrides, None)
        yield Matrix(loader, master, jobs)
