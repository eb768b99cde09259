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

from sd_bench.cli.plan_screen import verdicts_ahead
from sd_bench.config.scaling import SCALES
from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell, flaws_in, scaled_in
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.execution.time_account import Account
from sd_bench.execution.timing import Timing
from sd_bench.records import Record
from sd_bench.verdicts.attention_dtype import attention_dtype, name_attention
from sd_bench.verdicts.comparisons import Comparison
from sd_bench.verdicts.further_rounds import say_what_decides


class Screen:
    """Draws only between phases: nothing moves on the screen while a timed call runs."""

    def __init__(self, console: Console, arguments: Sequence[str] = ()) -> None:
        """``arguments`` are what the sweep is started with."""
        self._console = console
        self._arguments = list(arguments)
        self._warned: set[str] = set()
        self._progress = Progress(
            TextColumn("rounds"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("| {task.fields[cell]}: {task.fields[phase]}"),
            console=console,
            auto_refresh=False,
            disable=not console.is_terminal,
            transient=True,
        )

    def calibrating(self) -> None:
        self._console.print("a short measurement first: how long do rounds take here?")

    def planned(
        self, plan: list[PlannedCell], finished: Finished, looks: SweepLooks, timing: Timing
    ) -> None:
        self._plan, self._looks, self._timing = plan, looks, timing
        for sentence in scaled_in(plan):
            self._console.print(f"[yellow]scaled down:[/] {escape(sentence)}")
        for sentence in flaws_in(plan):
            self.warned(sentence)
        for path, reason in finished.unusable.items():
            self._console.print(
                f"[yellow]no record, set aside:[/] {escape(str(path))}: {escape(reason)}"
            )
        rounds, done = sum(map(looks.first_target, plan)), len(finished.records)
        there = f", {done} of them there already" if done else ""
        at_least = " or more" if looks.next_after(looks.first) is not None else ""
        self._console.print(
            f"{len(plan)} cell(s), {rounds} round(s){at_least}{there}, into {_sweep_folder(plan)}"
        )
        for line in [*_on_time(timing, looks, self._arguments), *verdicts_ahead(looks)]:
            self._console.print(line, markup=False)
        self._task = self._progress.add_task("", total=rounds, completed=done, cell="", phase="")
        self._progress.start()

    def looked(self, rounds: int, comparisons: Sequence[Comparison], going_on: int) -> None:
        compared = [c for c in comparisons if c.difference is not None]
        following = self._looks.next_after(rounds)
        if not compared or following is None:
            return
        decided = sum(comparison.is_settled for comparison in compared)
        self._console.print(
            f"look after {rounds} rounds: {decided} of {len(compared)} comparison(s) decided, "
            f"{going_on} cell(s) go on",
            markup=False,
        )
        total = self._progress.tasks[0].total or 0
        self._progress.update(self._task, total=total + going_on * (following - rounds))

    def budget_spent(self) -> None:
        budget_s = self._timing.budget_s or 0.0
        self._console.print(
            f"no further round fits into protocol.budget={budget_s:.0f}s", markup=False
        )

    def measuring_again(self, planned: PlannedCell, reasons: list[str]) -> None:
        why = "; ".join(reasons)
        self._console.print(
            f"disturbed, measured once more: {planned.cell.label}: {why}", markup=False
        )

    def round_started(self, planned: PlannedCell, round_index: int) -> None:
        name = f"{planned.cell.label}, round {round_index}"
        self._progress.update(self._task, cell=escape(name), phase="start", refresh=True)

    def phase(self, name: str) -> None:
        self._progress.update(self._task, phase=name, refresh=True)

    def round_ended(self, planned: PlannedCell, record: Record) -> None:
        self._progress.update(self._task, advance=1, refresh=True)
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
        self,
        plan: list[PlannedCell],
        records: list[list[Record]],
        account: Account | None,
        comparisons: Sequence[Comparison],
    ) -> None:
        self._progress.stop()
        self._console.print(summary_table(plan, records))
        lines = verdict_lines(comparisons, self._looks, plan, records)
        for line in (*lines, *say_what_decides(comparisons, plan[0].cell.sweep_folder)):
            self._console.print(line, markup=False)
        if account is not None:
            self._console.print(account.sentence(), markup=False)
        folder = shlex.quote(str(plan[0].cell.sweep_folder))
        self._console.print(
            f"charts and tables: python -m analysis {folder}", markup=False, soft_wrap=True
        )

    def stop(self) -> None:
        """Give the terminal back, whatever happened."""
        self._progress.stop()


def _on_time(timing: Timing, looks: SweepLooks, arguments: Sequence[str]) -> list[str]:
    """What the calibration has found, and chosen."""
    if timing.least_s is None or timing.budget_s is None:
        return []
    lines = []
    budget = f"protocol.budget={timing.budget_s:.0f}s"
    if timing.scale is not None:
        again = shlex.join(["python", "-m", "sd_bench", *arguments, f"scale={timing.scale}"])
        lines.append(f"scale={timing.scale}, of {', '.join(SCALES)}; the same again: {again}")
    lines.append(
        f"time: about {timing.least_s + timing.calibration_s:.0f} s with {looks.first} rounds of "
        f"every cell; {budget} in all"
    )
    if timing.fitting_rounds is not None and timing.fitting_rounds < looks.first:
        needed_s = math.ceil((timing.least_s + timing.calibration_s) / 30 + 1) * 30
        lines.append(
            f"warning: about {timing.fitting_rounds} round(s) of every cell fit into {budget}, and "
            f"verdicts need {looks.first}: protocol.budget={needed_s}s has room for them"
        )
    return lines


def _sweep_folder(plan: Sequence[PlannedCell]) -> str:
    return escape(str(plan[0].cell.sweep_folder))


def verdict_lines(
    comparisons: Sequence[Comparison],
    looks: SweepLooks,
    plan: Sequence[PlannedCell],
    records: Sequence[list[Record]],
) -> list[str]:
    """A line for each comparison: what it has come to."""
    lines = []
    for comparison in comparisons:
        base = comparison.baseline_cell
        if comparison.difference is None or base is None or base is comparison.cell:
            continue
        found = comparison.difference
        label = ", ".join(_name(plan[i], records[i]) for i in looks.indices_of(comparison.cell))
        dtypes = (attention_dtype(r) for i in looks.indices_of(base) for r in records[i])
        is_named = str(comparison.baseline).startswith("attention=")
        dtype = next(filter(None, dtypes), "") if is_named else ""
        baseline = name_attention(str(comparison.baseline), dtype)
        low, high = found.interval
        interval = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
        lines.append(
            f"{label} against {baseline}: {comparison.verdict or 'no verdict'}, "
            f"{found.speedup:.2f}x{interval}"
        )
    return lines


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
