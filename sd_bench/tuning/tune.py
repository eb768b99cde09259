"""A whole tune: the race, the final and the answer, in a folder in which it can be continued."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from sd_bench.command_lines import name_of
from sd_bench.config.schema import Config
from sd_bench.execution.slots import Slot, Slots, slots_for
from sd_bench.execution.sweep_folder import locked
from sd_bench.tuning.answers import (
    ROOT,
    Compared,
    Tuned,
    known,
    name_workload,
    read_answer,
    workload_of,
    write_answer,
)
from sd_bench.tuning.candidates import Candidate, Candidates
from sd_bench.tuning.diffusers_lines import can_be_written
from sd_bench.tuning.final import (
    FinalResult,
    FinalWatcher,
    judge_final,
    run_final,
)
from sd_bench.tuning.ladder import Ladder, Rung, read_ladder
from sd_bench.tuning.line_up import LineUp, line_up
from sd_bench.tuning.machine import describe_machine
from sd_bench.tuning.processes import Processes
from sd_bench.tuning.race import Race, RaceWatcher
from sd_bench.tuning.request import Request
from sd_bench.tuning.rows import FILE, Row, by_score, read_screening, write_screening

#: The share of the budget that the race may take.
_RACE_SHARE = 0.5
#: The share of the budget after which a candidate that is still starting is dropped.
_PATIENCE_SHARE = 0.6
#: The settings that determine the image size.
_SIZES = ("scale", "workload.height", "workload.width")


class TuneWatcher(RaceWatcher, Protocol):
    """Told about the progress of a tune."""

    def begun(self, workload: str, folder: Path, num_known: int) -> None:
        """The tune has started in ``folder``, with ``num_known`` rows from earlier ones."""

    def final_begins(self, lined_up: LineUp) -> None: ...

    def final_watcher(self) -> FinalWatcher:
        """A watcher for the sweep of the final."""


class TuneInterrupted(KeyboardInterrupt):
    """Ctrl-C during a tune; ``rows`` are the race's results so far, which its file also has."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__()
        self.rows = list(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of a tune; ``path`` is the answer's file.

    ``for_diffusers`` is the cell whose choices are written as lines for diffusers.
    """

    answer: Tuned
    path: Path
    rows: list[Row]
    lined_up: LineUp
    final: FinalResult
    default: Config
    for_diffusers: Config


def run_tune(
    request: Request,
    watcher: TuneWatcher,
    root: Path = ROOT,
    ladder: Ladder | None = None,
) -> Outcome:
    """Run race and final and write the answer, in a folder in ``root``.

    The default ``ladder`` is the one in conf/. Raises ConfigError if the request cannot be
    fulfilled, TuneInterrupted on Ctrl-C.
    """
    began = time.monotonic()
    first = Candidates(request.overrides, root).default()
    ladder = ladder or read_ladder(first.config.gpu.kind)
    typed = _with_workload(request.overrides, ladder)
    default = Candidates(typed, root).default()
    about = _about(default, typed)
    rungs = (*_started_from(request), *ladder.rungs)
    folder, rows = _folder_for(about, root)
    with _kept_if_used(folder), locked(folder), _slots(default.config) as slots:
        candidates = Candidates(typed, folder.absolute() / "candidates")
        watcher.begun(name_workload(about["workload"]), folder, len(rows))
        race = Race(
            candidates=candidates,
            rungs=rungs,
            typed_names=frozenset(map(name_of, request.overrides)),
            rows={row.key: row for row in rows},
            images=request.images,
            deadline=began + _race_s(request.budget_s, rows, candidates),
            patience_end=began + _PATIENCE_SHARE * request.budget_s,
            end=began + request.budget_s,
            processes=Processes(_reserving(slots, watcher)),
            watcher=watcher,
            save=lambda listed: write_screening(folder, about, listed),
        )
        try:
            listed = race.run()
            left_s = began + request.budget_s - time.monotonic()
            spent_s = time.monotonic() - began
            worth = by_score(listed)
            lined_up = line_up(worth, listed, candidates, left_s, spent_s)
            watcher.final_begins(lined_up)
            result = _hold_final(lined_up, folder, left_s, watcher)
        except KeyboardInterrupt:
            raise TuneInterrupted(race.listed) from None
        for_diffusers = _fastest_written(result.choice, worth, candidates)
        answer = _answer(about, typed, result, for_diffusers)
        return Outcome(
            answer=answer,
            path=write_answer(folder, answer),
            rows=listed,
            lined_up=lined_up,
            final=result,
            default=default.config,
            for_diffusers=for_diffusers.config,
        )


@contextmanager
def _kept_if_used(folder: Path) -> Iterator[None]:
    """Remove ``folder`` again if it has no screening file at the end."""
    try:
        yield
    finally:
        if not (folder / FILE).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _race_s(budget_s: float, known: Sequence[Row], candidates: Candidates) -> float:
    """How many seconds the race may take: its share, or less if the final is known to need more."""
    share_s = _RACE_SHARE * budget_s
    worth = by_score(known)
    if not any(row.overrides for row in worth) or not any(not row.overrides for row in worth):
        return share_s
    left_s = budget_s - line_up(worth, known, candidates, budget_s, 0.0).least_s
    return min(share_s, left_s) if left_s > 0 else share_s


def _with_workload(typed: Sequence[str], ladder: Ladder) -> tuple[str, ...]:
    """The typed overrides, with the ladder's workload if they do not set a size."""
    if any(name_of(override) in _SIZES for override in typed):
        return tuple(typed)
    return (*ladder.workload, *typed)


def _about(default: Candidate, typed: Sequence[str]) -> dict[str, Any]:
    assert default.planned is not None
    return {
        "workload": workload_of(default.config),
        "machine": describe_machine(default.planned),
        "typed": sorted(typed),
    }


def _started_from(request: Request) -> Iterator[Rung]:
    if request.start_from is not None:
        answer = read_answer(request.start_from)
        if answer.overrides:
            overrides = tuple(answer.overrides)
            yield Rung(overrides, is_alone="implementation" in map(name_of, overrides))


def _folder_for(about: dict[str, Any], root: Path) -> tuple[Path, list[Row]]:
    """The folder and rows of an earlier tune of the same, or a new folder. Raises OSError."""
    for folder in sorted(root.glob("*/"), reverse=True):
        found = read_screening(folder)
        if found is not None and found[0] == about:
            return folder, found[1]
    name = datetime.now(timezone.utc).strftime("%Y-%m-%d_%H-%M-%S")
    folder = next(
        path
        for number in range(1, 1000)
        if not (path := root / (name if number == 1 else f"{name}-{number}")).exists()
    )
    folder.mkdir(parents=True)
    return folder, []


@contextmanager
def _slots(config: Config) -> Iterator[Slots]:
    """The slots in which candidates run, with a temporary folder for what they leave behind."""
    slots = slots_for([config])
    with tempfile.TemporaryDirectory(prefix="sd_bench-", ignore_cleanup_errors=True) as temporary:
        slots.add_variables({"TMPDIR": temporary})
        yield slots


def _reserving(
    slots: Slots, watcher: RaceWatcher
) -> Callable[[Config], AbstractContextManager[Slot]]:
    return lambda config: slots.reserved(config.gpu, watcher.warned)


def _hold_final(lined_up: LineUp, folder: Path, left_s: float, watcher: TuneWatcher) -> FinalResult:
    """Run the final in the folder of an earlier one with the same finalists, or in a new one."""
    hashes = "-".join(sorted(str(f.candidate.hash)[:6] for f in lined_up.finalists))
    final_watcher = watcher.final_watcher()
    run_final(lined_up, folder.absolute() / f"final-{hashes}", left_s, final_watcher)
    return judge_final(lined_up, final_watcher)


def _fastest_written(
    choice: tuple[str, ...], worth: Sequence[Row], candidates: Candidates
) -> Candidate:
    """The choice if it can be written as lines, else the race's fastest that can, else default."""
    ordered = [choice, *(row.overrides for row in worth), ()]
    made = (candidates.make(overrides) for overrides in ordered)
    return next(c for c in made if can_be_written(c.config) or not c.overrides)


def _answer(
    about: dict[str, Any], typed: Sequence[str], result: FinalResult, for_diffusers: Candidate
) -> Tuned:
    return Tuned(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        workload=about["workload"],
        machine=about["machine"],
        typed=list(typed),
        overrides=list(result.choice),
        for_diffusers=list(for_diffusers.overrides),
        compared=[
            Compared(
                against=list(versus.against),
                word=versus.word,
                sentence=versus.sentence,
                speedup=known(versus.speedup),
                low=known(versus.low),
                high=known(versus.high),
                rounds=versus.rounds,
            )
            for versus in result.versus
        ],
    )
