"""A sweep: every round of every cell, each in a fresh process; on resuming, its missing rounds."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sd_bench.config.scaling import AUTO_SCALE
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.compile_cache import remove_cache, remove_orphans
from sd_bench.execution.finished_rounds import Finished, find_finished, nothing_finished, set_aside
from sd_bench.execution.plan import PlannedCell, make_plan
from sd_bench.execution.processes import ForkServers
from sd_bench.execution.round_loop import Repeats, RoundWatcher, run_rounds
from sd_bench.execution.schedule import LookWatcher, Schedule
from sd_bench.execution.slots import Slots, slots_for
from sd_bench.execution.sweep_folder import claim, covers, locked, placed, unclaim
from sd_bench.execution.sweep_looks import SweepLooks, plan_looks_of
from sd_bench.execution.time_account import Account
from sd_bench.execution.time_file import add_missing_times, add_time, check_takes_lines
from sd_bench.execution.timing import AtScale, Timing, TimingWatcher, find_timing
from sd_bench.execution.worker_process import log_path
from sd_bench.records import Record, RecordError, find_records, read_record
from sd_bench.records.sweep_file import is_sweep, start_sweep, stored_scale
from sd_bench.verdicts.comparisons import Comparison

#: Statuses that are not failures: the command's exit code stays 0.
_NO_FAULT = ("ok", "unsupported")
#: The share of the budget that may be spent on repeating disturbed rounds.
_REPEATS = 0.2


class Watcher(RoundWatcher, LookWatcher, TimingWatcher, Protocol):
    """Receives the events of a sweep; during a timed call only its phases."""

    def planned(
        self, plan: list[PlannedCell], finished: Finished, looks: SweepLooks, timing: Timing
    ) -> None: ...

    def round_ended(self, planned: PlannedCell, record: Record) -> None: ...

    def ended(
        self,
        plan: list[PlannedCell],
        records: list[list[Record]],
        account: Account | None,
        comparisons: Sequence[Comparison],
    ) -> None: ...


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C in a sweep, which another command can resume in its ``folder``."""

    def __init__(self, folder: Path, message: str = "") -> None:
        super().__init__(message)
        self.folder = folder


@dataclass(slots=True)
class SweepResult:
    """The records of each cell, in the cells' order; ``is_lost`` if one is missing."""

    records: list[list[Record]]
    is_lost: bool = False

    @property
    def failed(self) -> bool:
        """Whether a record is missing, or any round is neither ok nor unsupported."""
        return self.is_lost or any(
            record.status not in _NO_FAULT for cell in self.records for record in cell
        )


def result_in(folders: Sequence[Path]) -> SweepResult:
    """The records in the jobs' ``folders``; ``is_lost`` if one has none or an unreadable one."""
    try:
        records = [[read_record(path) for path in find_records(folder)] for folder in folders]
    except RecordError:
        return SweepResult([], is_lost=True)
    return SweepResult(records, is_lost=not all(records))


def run_sweep(
    cells: Sequence[Cell],
    watcher: Watcher,
    folder: Path,
    arguments: Sequence[str],
    slots: Slots | None = None,
    at_scale: AtScale | None = None,
    is_ending: Callable[[], bool] = lambda: False,
) -> SweepResult:
    """Check all cells, then measure them: the whole matrix once per round, reshuffled every round.

    ``folder`` is the sweep's, ``arguments`` are those that can resume it later, and ``at_scale``
    makes the same cells at another scale. With ``resume`` only rounds without a record are run.
    Once ``is_ending()`` is true, the rounds under way finish, and the sweep ends as after Ctrl-C.
    Raises ConfigError if the sweep cannot be done, OSError if a folder cannot be written,
    SweepInterrupted on Ctrl-C.
    """
    began = time.monotonic()
    config = cells[0].config
    make_plan(placed(cells, folder, config.resume))  # raises before anything is created
    slots = slots or slots_for([cell.config for cell in cells])
    for cell in cells:
        check_takes_lines(cell.config.time_file)  # raises now rather than after a round
    with locked(folder), _temporary_files_of(slots):
        if config.resume and (stored := stored_scale(folder)) and config.scale == AUTO_SCALE:
            cells = at_scale(stored) if at_scale else cells
        there = placed(cells, folder, config.resume)  # another command may have changed it
        plan = make_plan(there)
        finished = _finished(plan, folder)
        if config.mix_environments:
            finished = replace(finished, environments={})
        try:
            timing = find_timing(plan, finished, folder, slots, watcher, at_scale, began)
            plan = timing.plan
            if timing.scale is not None:
                arguments = [*arguments, f"scale={timing.scale}"]
            looks = plan_looks_of(plan, finished, timing.max_rounds)
        except KeyboardInterrupt:
            if is_sweep(folder):
                raise SweepInterrupted(folder) from None
            raise  # while calibrating: there is no sweep yet to resume
        is_new = not is_sweep(folder)
        if is_new:
            start_sweep(folder, arguments)
        claims = _prepare(plan, finished, folder)
        grown = None if is_new or not covers(cells, folder) else arguments
        try:
            watcher.planned(plan, finished, looks, timing)
            schedule = Schedule(
                plan=plan,
                looks=looks,
                records=dict(finished.records),
                used_positions=set(finished.positions),
                watcher=watcher,
                at_once=slots.at_once,
                deadline=timing.deadline,
            )
            with _without_caches(plan):
                return _run(schedule, finished, slots, watcher, folder, grown, timing, is_ending)
        except KeyboardInterrupt:
            raise SweepInterrupted(folder) from None
        except ConfigError:  # leave no trace of a refused request
            for cell in claims:
                unclaim(cell)
            raise


@contextmanager
def _temporary_files_of(slots: Slots) -> Iterator[None]:
    """A folder for workers' temporary files, since they end without cleaning up or are killed.

    PyTorch 1.12, for example, creates a folder in every process that imports its distributed
    modules.
    """
    with tempfile.TemporaryDirectory(prefix="sd_bench-", ignore_cleanup_errors=True) as folder:
        slots.add_variables({"TMPDIR": folder})
        yield


@contextmanager
def _without_caches(plan: Sequence[PlannedCell]) -> Iterator[None]:
    """Remove the cells' compiled kernels at the end, whatever happens."""
    try:
        yield
    finally:
        for planned in plan:
            remove_cache(planned.cell.folder)


def plan_sweep(cells: Sequence[Cell], folder: Path) -> tuple[list[PlannedCell], Finished]:
    """What the command would run, and which rounds are finished, without changing anything.

    Raises ConfigError if the sweep cannot be done.
    """
    plan = make_plan(placed(cells, folder, cells[0].config.resume))
    return plan, _finished(plan, folder)


def _finished(plan: Sequence[PlannedCell], folder: Path) -> Finished:
    config = plan[0].cell.config
    return find_finished(plan, folder, config.retry_failed) if config.resume else nothing_finished()


def _prepare(plan: list[PlannedCell], finished: Finished, folder: Path) -> list[Cell]:
    """Claim the cells' folders, and clean up what a killed command has left in them.

    Returns the cells whose folders were not claimed before.
    """
    claims = [planned.cell for planned in plan if claim(planned.cell)]
    for planned in plan:
        remove_cache(planned.cell.folder)
    remove_orphans()
    for parent in (folder, *(planned.cell.folder for planned in plan)):
        for torn in parent.glob(".*.tmp"):
            torn.unlink(missing_ok=True)
    for (index, round_index), record in finished.records.items():
        if record.status in _NO_FAULT:
            log_path(plan[index].cell.folder, round_index).unlink(missing_ok=True)
    for path in finished.unusable:
        set_aside(path)
    add_missing_times(
        (plan[index].cell.config.time_file, record.runtime_s)
        for (index, _), record in sorted(finished.records.items(), key=lambda each: each[0])
    )
    return claims


def _run(
    schedule: Schedule,
    finished: Finished,
    slots: Slots,
    watcher: Watcher,
    folder: Path,
    grown: Sequence[str] | None,
    timing: Timing,
    is_ending: Callable[[], bool],
) -> SweepResult:
    """Measure the missing rounds; ``grown`` are arguments to store once a round is accepted."""
    began = time.monotonic()
    records, plan = schedule.records, schedule.plan
    measured: list[Record] = []
    repeats = Repeats(math.inf if timing.budget_s is None else _REPEATS * timing.budget_s)
    with (
        ForkServers() as servers,
        closing(
            run_rounds(schedule.rounds(), slots, finished, watcher, servers, repeats, is_ending)
        ) as rounds,
    ):
        for turn, record in rounds:
            if grown is not None and not measured:
                start_sweep(folder, grown)
            records[turn.cell_index, turn.round] = record
            measured.append(record)
            try:
                add_time(turn.planned.cell.config.time_file, record.runtime_s)
            except OSError as error:
                watcher.warned(
                    f"time_file={error.filename}: {error.strerror}; the runtime was not added to it"
                )
            watcher.round_ended(turn.planned, record)
        if is_ending():
            raise KeyboardInterrupt
    total_s = (time.monotonic() - began) * slots.at_once
    account = Account.of(measured, total_s, servers.import_s, timing.calibration_s)
    of_cells: list[list[Record]] = [[] for _ in plan]
    for (index, _), record in sorted(records.items(), key=lambda entry: entry[0]):
        of_cells[index].append(record)
    watcher.ended(list(plan), of_cells, account, schedule.looks.judge(records.values()))
    return SweepResult(of_cells)
