"""Runs the rounds of a plan in their order, as many at a time as there are slots."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from sd_bench.capabilities.nvidia_driver import foreign_processes
from sd_bench.errors import ConfigError
from sd_bench.execution.finished_rounds import Finished, differences, set_aside
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.processes import ForkServers
from sd_bench.execution.slots import ASK_AGAIN_S, WAITING, Slot, Slots
from sd_bench.execution.worker_process import (
    OtherEnvironmentError,
    RunningRound,
    Turn,
    declare_unsupported,
)
from sd_bench.measurement.disturbances import OTHERS_ON_GPU, disturbances
from sd_bench.records import FirstAttempt, Record

#: The prefix of the record file of a disturbed round that was measured again.
_DISTURBED = "disturbed"


class RoundWatcher(Protocol):
    """Receives the events of rounds; during a timed call only its phases."""

    def round_started(self, planned: PlannedCell, round_index: int) -> None: ...

    def phase(self, name: str) -> None: ...

    def warned(self, sentence: str) -> None: ...

    def measuring_again(self, planned: PlannedCell, reasons: list[str]) -> None: ...


def run_rounds(
    rounds: Iterable[list[Turn]],
    slots: Slots,
    finished: Finished,
    watcher: RoundWatcher,
    servers: ForkServers,
    repeats: Repeats,
    is_ending: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Turn, Record], None, None]:
    """Yield each turn with its record, as they end. A round starts when the one before is over.

    Once ``is_ending()`` is true, the turns under way finish and no other starts. A disturbed turn
    is measured once more if its protocol says so; its record is then the second one, whatever the
    two measured.

    Raises ConfigError in another environment than ``finished`` allows, OSError if the sweep's
    folder cannot be written. No worker outlives the iterator.
    """
    for turns in rounds:
        if is_ending():
            return
        yield from _run_round(list(turns), slots, finished, watcher, servers, repeats, is_ending)


def _run_round(
    waiting: list[Turn],
    slots: Slots,
    finished: Finished,
    watcher: RoundWatcher,
    servers: ForkServers,
    repeats: Repeats,
    is_ending: Callable[[], bool],
) -> Iterator[tuple[Turn, Record]]:
    running: list[RunningRound] = []
    try:
        while waiting or running:
            if is_ending():
                waiting.clear()
            for turn, slot, waited_s in _startable(waiting, slots):
                watcher.round_started(turn.planned, turn.round)
                if slot is None:
                    yield turn, declare_unsupported(turn)
                else:
                    running.append(_start(turn, slot, waited_s, slots, finished, servers))
            if is_kept_waiting := slots.waits():
                watcher.warned(WAITING)
            for ended in _wait(running, watcher.phase, is_kept_waiting):
                running.remove(ended)
                try:
                    record = _finish(ended, finished)
                finally:
                    slots.give_back(ended.slot)
                reasons = repeats.why_again(ended.turn, record)
                if reasons:
                    watcher.measuring_again(ended.turn.planned, reasons)
                    waiting.insert(0, _second_time(ended.turn, reasons))
                else:
                    yield ended.turn, record
    finally:
        for left in running:
            left.kill()
            slots.give_back(left.slot)
        slots.stop_waiting()


@dataclass(slots=True)
class Repeats:
    """Decides which rounds are measured again, while ``left_s`` seconds of rounds remain for it."""

    left_s: float

    def why_again(self, turn: Turn, record: Record) -> list[str]:
        """What disturbed a round that is to be measured again; empty if it is not to be."""
        wanted = turn.planned.cell.config.protocol.retry_disturbed
        if not wanted or record.status != "ok" or turn.first_attempt is not None:
            return []
        took_s = (record.times and record.times.worker_s) or 0.0
        reasons = disturbances(record) if took_s <= self.left_s else []
        if reasons:
            self.left_s -= took_s
        return reasons


def _second_time(turn: Turn, reasons: list[str]) -> Turn:
    aside = set_aside(turn.record_path, _DISTURBED)
    return replace(turn, first_attempt=FirstAttempt(file=aside.name, disturbed_by=reasons))


def _startable(waiting: list[Turn], slots: Slots) -> Iterator[tuple[Turn, Slot | None, float]]:
    """Take from ``waiting`` the turns that can start now, with a slot or without a process.

    Yields each with its slot and the seconds that other commands kept it.
    """
    taken: set[str] = set()  # GPUs without a free slot
    for turn in list(waiting):
        gpu = turn.planned.cell.config.gpu
        if turn.planned.reason is not None:
            waiting.remove(turn)
            yield turn, None, 0.0
        elif gpu.name not in taken:
            if (found := slots.take(gpu)) is None:
                taken.add(gpu.name)
            else:
                waiting.remove(turn)
                yield turn, *found


def _start(
    turn: Turn,
    slot: Slot,
    waited_s: float,
    slots: Slots,
    finished: Finished,
    servers: ForkServers,
) -> RunningRound:
    config = turn.planned.cell.config
    allowed = finished.environments_of(config)
    warnings = []
    if waited_s:
        warnings = [f"started {waited_s:.1f} s late: another command measured on the same device"]
    if slot.device is not None and (others := foreign_processes(slot.device)):
        name = f"{slot.device.name}, {slot.device.uuid}"
        warnings += [f"{OTHERS_ON_GPU} ({name}) at the start: {', '.join(others)}"]
    try:
        return RunningRound(turn, slot, [e["fingerprint"] for e in allowed], warnings, servers)
    except BaseException:
        slots.give_back(slot)
        raise


def _wait(
    running: list[RunningRound], report: Callable[[str], None], is_kept_waiting: bool
) -> list[RunningRound]:
    """Wait until some worker reports something or ends; return those that are over.

    Returns after a moment if another command keeps a turn waiting (``is_kept_waiting``).
    """
    deadlines = [worker.deadline for worker in running if worker.deadline is not None]
    left_s = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
    if is_kept_waiting:
        left_s = min(ASK_AGAIN_S, ASK_AGAIN_S if left_s is None else left_s)
    if running or is_kept_waiting:
        select.select([file for worker in running for file in worker.files], [], [], left_s)
    for worker in running:
        for phase in worker.hear():
            report(phase)
    return [worker for worker in running if worker.is_over()]


def _finish(ended: RunningRound, finished: Finished) -> Record:
    try:
        return ended.finish()
    except OtherEnvironmentError as error:
        cell = ended.turn.planned.cell
        allowed = finished.environments_of(cell.config)
        differing = "; ".join(differences(allowed, error.environment))
        raise ConfigError(
            f"resume: the records in {cell.sweep_folder} are from another environment: "
            f"{differing}; undo that, name another folder, or mix both with mix_environments=true"
        ) from None
