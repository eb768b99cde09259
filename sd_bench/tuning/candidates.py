"""Candidates of a race: overrides on top of the workload, composed and checked like cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sd_bench.capabilities.composition import compose_config
from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.pinning import pinned
from sd_bench.execution.plan import PlannedCell, make_plan

#: The label of the workload without overrides.
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A candidate: ``overrides`` on top of the workload's.

    ``reason`` is why it cannot run here, ``None`` if it can. ``planned`` is ``None`` if the
    overrides do not compose.
    """

    overrides: tuple[str, ...]
    planned: PlannedCell | None
    reason: str | None

    @property
    def label(self) -> str:
        return name_overrides(self.overrides)

    @property
    def config(self) -> Config:
        assert self.planned is not None
        return self.planned.cell.config

    @property
    def hash(self) -> str | None:
        return None if self.planned is None else self.planned.cell.hash

    @property
    def is_compiled(self) -> bool:
        return self.config.compile.mode != "off"


def name_overrides(overrides: Sequence[str]) -> str:
    """The label of a candidate with these overrides."""
    return " ".join(overrides) or DEFAULT


def shorten_overrides(overrides: Sequence[str]) -> str:
    """A short label for tables and lines: ``channels_last openvino``."""
    words = [
        override.removeprefix("implementation=")
        .removeprefix("optimizations.")
        .removesuffix("=true")
        for override in overrides
    ]
    return " ".join(words) or DEFAULT


class Candidates:
    """Makes the candidates of one workload, each with a separate folder in ``folder``."""

    def __init__(self, typed: Sequence[str], folder: Path) -> None:
        self._typed = tuple(typed)
        self._folder = folder
        self._made: dict[tuple[str, ...], Candidate] = {}

    def default(self) -> Candidate:
        """The workload without overrides. Raises ConfigError or Hydra's errors if it cannot run."""
        found = self._plan(())
        if found.reason is not None:
            raise ConfigError(f"the default cannot run here: {found.reason}")
        return Candidate(overrides=(), planned=found, reason=None)

    def make(self, overrides: tuple[str, ...]) -> Candidate:
        """The candidate with these overrides, composed and checked only once."""
        if overrides not in self._made:
            self._made[overrides] = self._make(overrides)
        return self._made[overrides]

    def _make(self, overrides: tuple[str, ...]) -> Candidate:
        try:
            planned = self._plan(overrides)
        except ConfigError as error:
            return Candidate(overrides=overrides, planned=None, reason=str(error))
        return Candidate(overrides=overrides, planned=planned, reason=planned.reason)

    def _plan(self, overrides: tuple[str, ...]) -> PlannedCell:
        config = pinned(compose_config(*self._typed, *overrides))
        number = len(self._made)
        cell = Cell(
            config=config,
            index=number,
            label=name_overrides(overrides),
            folder=self._folder / str(number),
            sweep_folder=self._folder,
        )
        (planned,) = make_plan([cell])
        return planned
