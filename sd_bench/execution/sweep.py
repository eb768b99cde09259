"""A sweep: every round of every cell, each in a fresh process; or what is left of it."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.finished_rounds import Finished, find_finished, nothing_finished, set_aside
from sd_bench.execution.plan import PlannedCell, make_plan
from sd_bench.execution.processes import ForkServers
from sd_bench.execution.round_loop import RoundWatcher, run_turns
from sd_bench.execution.slots import Slots, slots_for
from sd_bench.execution.sweep_folder import (
    claim,
    covers,
    is_sweep,
    locked,
    placed,
    start_sweep,
    unclaim,
)
from sd_bench.execution.time_account import Account
from sd_bench.execution.worker_process import Turn, compile_cache_dir, log_path
from sd_bench.records import Record

#: Statuses that are no fault: the command's exit code stays 0.
_NO_FAULT = ("ok", "unsupported")


class Watcher(RoundWatcher, Protocol):
    """Is told what the sweep does; never while a timed call runs, but for its phases."""

    def planned(self, plan: list[PlannedCell], finished: Finished) -> None: ...

    def round_ended(self, planned: PlannedCell, record: Record) -> None: ...

    def warned(self, sentence: str) -> None: ...

    def ended(
        self, plan: list[PlannedCell], records: list[list[Record]], account: Account | None
    ) -> None: ...


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C in a sweep whose ``folder`` another command can go on with."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder


@dataclass(slots=True)
class SweepResult:
    """The records of each cell, in the cells' order."""

    records: list[list[Record]]

    @property
    def failed(self) -> bool:
        """Whether a round of any cell has neither a result nor a declared reason for none."""
        return any(record.status not in _NO_FAULT for cell in self.records for record in cell)


def run_sweep(
    cells: Sequence[Cell],
    watcher: Watcher,
    folder: Path,
    arguments: Sequence[str],
    slots: Slots | None = None,
) -> SweepResult:
    """Check all cells, then measure them: the whole matrix once a round, shuffled anew each time.

    ``folder`` is the sweep's, ``arguments`` what a later command can start it again with. With
    ``resume`` only those rounds are run that have no record there. Raises ConfigError if it
    cannot be done, OSError if a folder cannot be written, SweepInterrupted on Ctrl-C.
    """
    config = cells[0].config
    plan = make_plan(placed(cells, folder, config.resume))  # refused before anything is made
    slots = slots or slots_for([cell.config for cell in cells])
    for cell in cells:
        _append(cell.config.time_file, "")  # it is better to know now that it cannot be written
    with locked(folder):
        there = placed(cells, folder, config.resume)  # another command may have come between
        plan = [replace(planned, cell=cell) for planned, cell in zip(plan, there, strict=True)]
        finished = _finished(plan, folder)
        if config.mix_environments:
            finished = replace(finished, environments={})
        is_new = not is_sweep(folder)
        if is_new:
            start_sweep(folder, arguments)
        claims = _prepare(plan, finished, folder)
        grown = None if is_new or not covers(cells, folder) else arguments
        try:
            watcher.planned(plan, finished)
            with _without_caches(plan):
                return _run(plan, finished, slots, watcher, folder, grown)
        except KeyboardInterrupt:
            raise SweepInterrupted(folder) from None
        except ConfigError:  # refused: as if nothing had been asked
            for cell in claims:
                unclaim(cell)
            raise


@contextmanager
def _without_caches(plan: Sequence[PlannedCell]) -> Iterator[None]:
    """Leave no compiled kernels behind, whatever happens."""
    try:
        yield
    finally:
        for planned in plan:
            shutil.rmtree(compile_cache_dir(planned.cell.folder), ignore_errors=True)


def plan_sweep(cells: Sequence[Cell], folder: Path) -> tuple[list[PlannedCell], Finished]:
    """What the command would run, and what of it is done already. Changes nothing.

    Raises ConfigError if it cannot be done.
    """
    plan = make_plan(placed(cells, folder, cells[0].config.resume))
    return plan, _finished(plan, folder)


def _finished(plan: Sequence[PlannedCell], folder: Path) -> Finished:
    config = plan[0].cell.config
    return find_finished(plan, folder, config.retry_failed) if config.resume else nothing_finished()


def _prepare(plan: list[PlannedCell], finished: Finished, folder: Path) -> list[Cell]:
    """Write down whose the folders are, and clear away what a killed command has left in them.

    Gives the cells that had no folder before.
    """
    claims = [planned.cell for planned in plan if claim(planned.cell)]
    for planned in plan:
        shutil.rmtree(compile_cache_dir(planned.cell.folder), ignore_errors=True)
    for parent in (folder, *(planned.cell.folder for planned in plan)):
        for torn in parent.glob(".*.tmp"):
            torn.unlink(missing_ok=True)
    for (index, round_index), record in finished.records.items():
        if record.status in _NO_FAULT:
            log_path(plan[index].cell.folder, round_index).unlink(missing_ok=True)
    for path in finished.unusable:
        set_aside(path)
    return claims


def _run(
    plan: list[PlannedCell],
    finished: Finished,
    slots: Slots,
    watcher: Watcher,
    folder: Path,
    grown: Sequence[str] | None,
) -> SweepResult:
    """Measure what is missing. ``grown`` are arguments to write down once a round is accepted."""
    began = time.monotonic()
    records = dict(finished.records)
    turns = turns_left(plan, finished)
    measured: list[Record] = []
    with (
        ForkServers() as servers,
        closing(run_turns(turns, slots, finished, watcher, servers)) as rounds,
    ):
        for turn, record in rounds:
            if grown is not None and not measured:
                start_sweep(folder, grown)
            records[turn.cell_index, turn.round] = record
            measured.append(record)
            if record.runtime_s is not None:  # the published flag --time_file
                try:
                    _append(turn.planned.cell.config.time_file, f"{record.runtime_s}\n")
                except OSError as error:
                    watcher.warned(f"time_file={error.filename}: {error.strerror}; left out there")
            watcher.round_ended(turn.planned, record)
    total_s = (time.monotonic() - began) * slots.at_once
    account = Account.of(measured, total_s, servers.import_s)
    of_cells = [[records[i, r] for r in range(planned.rounds)] for i, planned in enumerate(plan)]
    watcher.ended(plan, of_cells, account)
    return SweepResult(of_cells)


def all_turns(plan: Sequence[PlannedCell]) -> Iterator[Turn]:
    """Every round of every cell in order, done or not: a resumed sweep keeps the positions."""
    for position, (round_index, index) in enumerate(order(plan)):
        yield Turn(planned=plan[index], cell_index=index, round=round_index, position=position)


def turns_left(plan: Sequence[PlannedCell], finished: Finished) -> list[Turn]:
    """The turns without a record. In another matrix than before they follow all that there are."""
    done = finished.records
    left = [turn for turn in all_turns(plan) if (turn.cell_index, turn.round) not in done]
    left = list(_with_profiles(left, {index for (index, _), r in done.items() if r.profile}))
    if finished.positions.isdisjoint(turn.position for turn in left):
        return left
    first = 1 + max(finished.positions)
    return [replace(turn, position=position) for position, turn in enumerate(left, first)]


def _with_profiles(turns: Sequence[Turn], profiled: set[int]) -> Iterator[Turn]:
    """The first turn of each cell that is not ``profiled`` yet is to be."""
    for turn in turns:
        yield replace(turn, profiled=turn.cell_index not in profiled)
        profiled.add(turn.cell_index)


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


def _append(time_file: str | None, text: str) -> None:
    """Raises OSError, with the file's name."""
    if time_file is None:
        return
    try:
        with Path(time_file).open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, time_file) from None
