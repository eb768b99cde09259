"""What the user sees: a progress bar on a terminal, a line a round, a table at the end."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell, flaws_in, scaled_in
from sd_bench.execution.time_account import Account
from sd_bench.records import Record
from sd_bench.verdicts.attention_dtype import attention_dtype, name_attention


class Screen:
    """Draws only between phases: nothing moves on the screen while a timed call runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._warned: set[str] = set()
        self._progress = Progress(
            TextColumn("rounds"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("| sampler steps"),
            TextColumn("{task.fields[steps]}/{task.fields[all_steps]}"),
            TextColumn("| {task.fields[cell]}: {task.fields[phase]}"),
            console=console,
            auto_refresh=False,
            disable=not console.is_terminal,
            transient=True,
        )

    def planned(self, plan: list[PlannedCell], finished: Finished) -> None:
        for sentence in scaled_in(plan):
            self._console.print(f"[yellow]scaled down:[/] {escape(sentence)}")
        for sentence in flaws_in(plan):
            self.warned(sentence)
        for path, reason in finished.unusable.items():
            self._console.print(
                f"[yellow]no record, set aside:[/] {escape(str(path))}: {escape(reason)}"
            )
        rounds, done = sum(p.rounds for p in plan), len(finished.records)
        there = f", {done} of them there already" if done else ""
        self._console.print(
            f"{len(plan)} cell(s), {rounds} round(s){there}, into {_sweep_folder(plan)}"
        )
        steps_done = sum(_steps(plan[index]) // plan[index].rounds for index, _ in finished.records)
        self._task = self._progress.add_task(
            "",
            total=rounds,
            completed=done,
            steps=steps_done,
            all_steps=sum(map(_steps, plan)),
            cell="",
            phase="",
        )
        self._progress.start()

    def round_started(self, planned: PlannedCell, round_index: int) -> None:
        name = f"{planned.cell.label}, round {round_index}"
        self._progress.update(self._task, cell=escape(name), phase="start", refresh=True)

    def phase(self, name: str) -> None:
        self._progress.update(self._task, phase=name, refresh=True)

    def round_ended(self, planned: PlannedCell, record: Record) -> None:
        steps = self._progress.tasks[0].fields["steps"] + _steps(planned) // planned.rounds
        self._progress.update(self._task, advance=1, steps=steps, refresh=True)
        time = "" if record.runtime_s is None else f"{record.runtime_s:9.3f} s"
        reason = "" if record.reason is None else f": {record.reason}"
        self._console.print(
            f"round {record.round}  {escape(_name(planned, [record])):40} {record.status}{time}"
            f"{escape(reason)}"
        )
        for warning in record.warnings:
            self.warned(warning)

    def warned(self, sentence: str) -> None:
        """Each once."""
        if sentence not in self._warned:
            self._console.print(f"[yellow]warning:[/] {escape(sentence)}")
            self._warned.add(sentence)

    def ended(
        self, plan: list[PlannedCell], records: list[list[Record]], account: Account | None
    ) -> None:
        self._progress.stop()
        self._console.print(summary_table(plan, records))
        if account is not None:
            self._console.print(account.sentence(), markup=False)
        folder = shlex.quote(str(plan[0].cell.sweep_folder))
        self._console.print(
            f"charts and tables: python -m analysis {folder}", markup=False, soft_wrap=True
        )

    def stop(self) -> None:
        """Give the terminal back, whatever happened."""
        self._progress.stop()


def _steps(planned: PlannedCell) -> int:
    """Sampler steps of all rounds of a cell, warm-up iterations included."""
    if planned.reason is not None:
        return 0
    config = planned.cell.config
    iterations = config.protocol.n_iter + config.protocol.warmup
    return planned.rounds * iterations * config.sampler.steps


def _sweep_folder(plan: Sequence[PlannedCell]) -> str:
    return escape(str(plan[0].cell.sweep_folder))


def summary_table(plan: list[PlannedCell], records: list[list[Record]]) -> Table:
    """A row a cell: mean runtime over its rounds, spread, images a second, proof."""
    table = Table("cell", "status", title="Runtime: the timed iterations of a round, in seconds")
    for column in ("rounds", "mean", "± sd", "images/s"):
        table.add_column(column, justify="right")
    table.add_column("kernel proof")
    for planned, cell_records in zip(plan, records, strict=True):
        groups = _by_environment(cell_records)
        for number, group in enumerate(groups, start=1):
            of = f" (environment {number} of {len(groups)})" if len(groups) > 1 else ""
            name = _name(planned, group) + of
            table.add_row(escape(name), *map(escape, _row(planned, group)))
    return table


def _name(planned: PlannedCell, records: list[Record]) -> str:
    """The cell as the user typed it, and what its math attention has computed in."""
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
    """The rounds that may be averaged, together; those that say nothing go with the first."""
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
    word = "proven" if all(p.proven for p in proofs) else "MISSED"
    return f"{word}: {proofs[0].detail}"
