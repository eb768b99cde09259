"""A sweep on the screen: a bar on a terminal or in a notebook, a line per round, the answers."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sd_bench.cli.plan_screen import say_scaled, verdicts_ahead
from sd_bench.command_lines import as_operand, shown
from sd_bench.config.scaling import SCALES
from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell, flaws_in
from sd_bench.execution.shown_cells import show_cells
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.execution.time_account import Account
from sd_bench.execution.timing import Timing
from sd_bench.paths import shortened
from sd_bench.records import Record
from sd_bench.screens.answers import print_answers
from sd_bench.screens.bars import make_bar
from sd_bench.screens.lines import print_line
from sd_bench.screens.tables import ScreenTable, print_unbroken
from sd_bench.verdicts.attention_dtype import attention_dtype, name_attention
from sd_bench.verdicts.comparisons import Comparison
from sd_bench.verdicts.further_rounds import find_what_decides
from sd_bench.verdicts.proofs import NOT_PROVEN, name_proof, pool_proofs

#: The width of a cell's name in the line of a round.
_NAME_WIDTH = 42


class Screen:
    """Draws only between phases: the screen does not change during a timed call."""

    def __init__(
        self, console: Console, arguments: Sequence[str] = (), verbose: bool = False
    ) -> None:
        """``arguments`` are the sweep's; ``verbose`` adds a table of runtimes at its end."""
        self._console = console
        self._verbose = verbose
        self._arguments = list(arguments)
        self._warned: set[str] = set()
        self._progress = make_bar(console, "rounds", "| {task.fields[cell]}: {task.fields[phase]}")

    def calibrating(self) -> None:
        self._say("a short measurement first, to see how long rounds take here")

    def planned(
        self, plan: list[PlannedCell], finished: Finished, looks: SweepLooks, timing: Timing
    ) -> None:
        self._plan, self._looks, self._timing = plan, looks, timing
        for sentence in say_scaled(plan):
            self._say(sentence)
        for sentence in flaws_in(plan):
            self.warned(sentence)
        for path, reason in finished.unusable.items():
            self._say(f"not a valid record, set aside: {path}: {reason}", style="yellow")
        rounds, done = sum(map(looks.first_target, plan)), len(finished.records)
        there = f", {done} of them already done" if done else ""
        at_least = " or more" if looks.next_after(looks.first) is not None else ""
        self._say(
            f"{len(plan)} cell(s), {rounds} round(s){at_least}{there}, into",
            str(shortened(plan[0].cell.sweep_folder)),
        )
        for line in _on_time(timing, looks, self._arguments):
            self._say(*line)
        for sentence in verdicts_ahead(looks):
            self._say(sentence)
        self._task = self._progress.add_task("", total=rounds, completed=done, cell="", phase="")
        self._progress.start()

    def looked(self, rounds: int, comparisons: Sequence[Comparison], going_on: int) -> None:
        compared = [c for c in comparisons if c.difference is not None and c.verdict is not None]
        following = self._looks.next_after(rounds)
        if not compared or following is None:
            return
        decided = sum(comparison.is_settled for comparison in compared)
        self._say(
            f"look after {rounds} rounds: {decided} of {len(compared)} comparison(s) decided, "
            f"{going_on} cell(s) go on"
        )
        total = self._progress.tasks[0].total or 0
        self._progress.update(self._task, total=total + going_on * (following - rounds))

    def budget_spent(self) -> None:
        budget_s = self._timing.budget_s or 0.0
        self._say(f"no further round fits into protocol.budget={budget_s:.0f}s")

    def resting(self, cells: Sequence[PlannedCell], after: int, rounds: int) -> None:
        labels = ", ".join(planned.cell.label for planned in cells)
        self._say(
            f"{len(cells)} cell(s) rest after {after} round(s): {rounds} of every cell do not fit "
            f"into protocol.budget={self._timing.budget_s or 0.0:.0f}s, so the others get theirs "
            f"({labels})"
        )
        total = self._progress.tasks[0].total or 0
        self._progress.update(self._task, total=total - len(cells) * (rounds - after))

    def measuring_again(self, planned: PlannedCell, reasons: list[str]) -> None:
        why = "; ".join(reasons)
        self._say(f"disturbed, measured again: {planned.cell.label}: {why}")

    def round_started(self, planned: PlannedCell, round_index: int) -> None:
        name = f"{planned.cell.label}, round {round_index}"
        self._progress.update(self._task, cell=escape(name), phase="start", refresh=True)

    def phase(self, name: str) -> None:
        self._progress.update(self._task, phase=name, refresh=True)

    def round_ended(self, planned: PlannedCell, record: Record) -> None:
        self._progress.update(self._task, advance=1, refresh=True)
        time = "" if record.runtime_s is None else f"{record.runtime_s:9.3f} s"
        reason = "" if record.reason is None else f": {record.reason}"
        self._say(
            f"round {record.round}  {_name(planned, [record]):{_NAME_WIDTH}} "
            f"{record.status}{time}{reason}"
        )
        for warning in record.warnings:
            self.warned(warning)

    def warned(self, sentence: str) -> None:
        """Print a warning, unless it has been printed before."""
        if sentence not in self._warned:
            self._say(f"warning: {sentence}", style="yellow")
            self._warned.add(sentence)

    def ended(
        self,
        plan: list[PlannedCell],
        records: list[list[Record]],
        account: Account | None,
        comparisons: Sequence[Comparison],
    ) -> None:
        self._progress.stop()
        self._console.print()
        print_answers(show_cells(comparisons, self._looks, plan, records), self._console)
        folder = plan[0].cell.sweep_folder
        self._say("Charts and a report:", shown("analysis", *as_operand(folder)))
        for kind, files in _files(plan, records).items():
            self._say(f"{kind} ({len(files)}), the first:", shlex.quote(str(files[0])))
        for sentence, command in find_what_decides(comparisons, folder):
            self._say(sentence, command)
        if self._verbose:
            self._console.print()
            self._say("Runtime: the timed iterations of a round, in seconds")
            print_unbroken(summary_table(plan, records), self._console)
            if account is not None:
                self._say(account.sentence())

    def _say(self, text: str, copied: str = "", style: str = "") -> None:
        print_line(self._console, text, copied, style)

    def stop(self) -> None:
        """Stop the bar, so that the terminal is usable again."""
        self._progress.stop()


def _files(
    plan: Sequence[PlannedCell], records: Sequence[Sequence[Record]]
) -> dict[str, list[Path]]:
    """The images and traces of a sweep, by kind."""
    found: dict[str, list[Path]] = {"Images": [], "Traces": []}
    for planned, of_cell in zip(plan, records, strict=True):
        for record in of_cell:
            if record.output is not None:
                found["Images"] += [planned.cell.folder / n for n in record.output.image_files]
            if record.profile is not None and record.profile.trace_file:
                found["Traces"].append(planned.cell.folder / record.profile.trace_file)
    return {kind: files for kind, files in found.items() if files}


def _on_time(
    timing: Timing, looks: SweepLooks, arguments: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """What the calibration has found and chosen: sentences, each with what to copy from it."""
    if timing.least_s is None or timing.budget_s is None:
        return
    budget = f"protocol.budget={timing.budget_s:.0f}s"
    if timing.scale is not None:
        again = shown("sd_bench", *arguments, f"scale={timing.scale}")
        yield f"scale={timing.scale}, of {', '.join(SCALES)}; to run the same again:", again
    yield (
        f"time: about {timing.least_s + timing.calibration_s:.0f} s with {looks.first} rounds of "
        f"every cell; {budget} in all",
        "",
    )
    if timing.fitting_rounds is not None and timing.fitting_rounds < looks.first:
        needed_s = math.ceil((timing.least_s + timing.calibration_s) / 30 + 1) * 30
        yield (
            f"warning: about {timing.fitting_rounds} round(s) of every cell fit into {budget}, but "
            f"verdicts need {looks.first}: the costliest may rest after two rounds; "
            f"protocol.budget={needed_s}s has room for all",
            "",
        )


def summary_table(plan: list[PlannedCell], records: list[list[Record]]) -> ScreenTable:
    """A table with a row per cell: mean runtime of its rounds, spread, images per second, proof."""
    numbers = ("rounds", "mean", "± sd", "images/s")
    rows = []
    for planned, cell_records in zip(plan, records, strict=True):
        groups = _by_environment(cell_records)
        for number, group in enumerate(groups, start=1):
            of = f" (environment {number} of {len(groups)})" if len(groups) > 1 else ""
            name = _name(planned, group) + of
            rows.append([name, *_row(planned, group)])
    return ScreenTable(
        headings=("cell", "status", *numbers, "kernel proof"),
        rows=rows,
        numeric=frozenset(numbers),
    )


def _name(planned: PlannedCell, records: list[Record]) -> str:
    """The cell as the user typed it, with the dtype that its math attention computed in."""
    dtype = next(filter(None, map(attention_dtype, records)), "")
    typed, attention = planned.cell.label, planned.cell.config.attention.backend
    if not dtype:
        return typed
    choice = f"attention={attention}"
    if choice in typed.split():
        return " ".join(
            name_attention(part, dtype) if part == choice else part for part in typed.split()
        )
    return f"{typed}, {name_attention(attention, dtype)}"


def _by_environment(records: list[Record]) -> list[list[Record]]:
    """The records by environment; those that do not record it go with the first one that does."""
    groups: dict[str, list[Record]] = {}
    known = (r.environment["fingerprint"] for r in records if "fingerprint" in r.environment)
    first = next(known, "")
    for record in records:
        groups.setdefault(record.environment.get("fingerprint", first), []).append(record)
    return list(groups.values())


def _row(planned: PlannedCell, records: list[Record]) -> list[str]:
    runtimes = [r.runtime_s for r in records if r.runtime_s is not None]
    worst = next((r for r in records if r.status != "ok"), None)
    status = "ok" if worst is None else f"{worst.status}: {worst.reason}"
    if not runtimes:
        return [status, "0", "-", "-", "-", _proof(records)]
    mean = statistics.fmean(runtimes)
    spread = f"{statistics.stdev(runtimes):.3f}" if len(runtimes) > 1 else "-"
    config = planned.cell.config
    rate = config.workload.batch_size * config.protocol.n_iter / mean if mean else math.nan
    return [status, str(len(runtimes)), f"{mean:.3f}", spread, f"{rate:.3f}", _proof(records)]


def _proof(records: list[Record]) -> str:
    proofs = [r.kernel_proof for r in records if r.kernel_proof is not None]
    if not proofs:
        return "-"
    word = pool_proofs(map(name_proof, proofs))
    detail = next(proof.detail for proof in proofs if name_proof(proof) == word)
    return f"{'MISSED' if word == NOT_PROVEN else word}: {detail}"
