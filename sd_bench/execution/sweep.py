"""A sweep: every round of every cell, one after another, each in a fresh process."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sd_bench.config import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.plan import PlannedCell, make_plan
from sd_bench.execution.process import compile_cache_dir, run_round
from sd_bench.records import Record

#: Statuses that are no fault: the command's exit code stays 0.
_NO_FAULT = ("ok", "unsupported")
#: The file that says that a sweep owns a cell's folder.
CLAIM = ".sd_bench"


class Watcher(Protocol):
    """Is told what the sweep does; never while a timed call runs, but for its phases."""

    def planned(self, plan: list[PlannedCell]) -> None: ...

    def round_started(self, planned: PlannedCell, round_index: int) -> None: ...

    def phase(self, name: str) -> None: ...

    def round_ended(self, planned: PlannedCell, record: Record) -> None: ...

    def ended(self, plan: list[PlannedCell], records: list[list[Record]]) -> None: ...


@dataclass(slots=True)
class SweepResult:
    """The records of each cell, in the cells' order."""

    records: list[list[Record]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a round of any cell has neither a result nor a declared reason for none."""
        return any(record.status not in _NO_FAULT for cell in self.records for record in cell)


def run_sweep(cells: Sequence[Cell], watcher: Watcher) -> SweepResult:
    """Check all cells, then measure them: the whole matrix once a round, shuffled anew each time.

    Raises ConfigError before anything runs, and OSError if a folder cannot be written.
    """
    plan = make_plan(list(cells))
    for cell in cells:
        _append(cell.config.time_file, "")  # it is better to know now that it cannot be written
    for cell in cells:
        _claim(cell.folder)
    watcher.planned(plan)
    result = SweepResult([[] for _ in plan])
    try:
        for position, (round_index, index) in enumerate(order(plan)):
            planned = plan[index]
            watcher.round_started(planned, round_index)
            record = run_round(planned, round_index, position, watcher.phase)
            result.records[index].append(record)
            if record.runtime_s is not None:  # the published flag --time_file
                _append(planned.cell.config.time_file, f"{record.runtime_s}\n")
            watcher.round_ended(planned, record)
    finally:
        for cell in cells:
            shutil.rmtree(compile_cache_dir(cell.folder), ignore_errors=True)
    watcher.ended(plan, result.records)
    return result


def order(plan: Sequence[PlannedCell]) -> Iterator[tuple[int, int]]:
    """Round and cell index of every round, in the order they run.

    Each round is shuffled by the cells' order_seed and its own number, so that no cell always
    runs after the same other one.
    """
    for round_index in range(max((p.rounds for p in plan), default=0)):
        indices = [i for i, p in enumerate(plan) if round_index < p.rounds]
        seed = plan[indices[0]].cell.config.protocol.order_seed
        random.Random(f"{seed}:{round_index}").shuffle(indices)
        yield from ((round_index, index) for index in indices)


def _claim(folder: Path) -> None:
    """Make ``folder`` this sweep's own, also against another that starts at the same moment."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / CLAIM).touch(exist_ok=False)
    except FileExistsError:
        raise ConfigError(
            f"hydra.sweep.dir={folder.parent}: already holds another sweep; name another folder"
        ) from None


def _append(time_file: str | None, text: str) -> None:
    if time_file is not None:
        with Path(time_file).open("a", encoding="utf-8") as stream:
            stream.write(text)
