"""The screen of a command that runs as a scheduler's job: it also writes its progress to a file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from sd_bench.cli.sweep_screen import Screen
from sd_bench.cluster.folders import Progress, write_progress
from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.execution.time_account import Account
from sd_bench.execution.timing import Timing
from sd_bench.records import Record
from sd_bench.verdicts.comparisons import Comparison

_NO_FAULT = ("ok", "unsupported")


class JobScreen(Screen):
    """Writes `Progress` to the sweep's ``folder``, only between rounds."""

    def __init__(
        self, console: Console, arguments: Sequence[str], verbose: bool, folder: Path
    ) -> None:
        super().__init__(console, arguments, verbose)
        self._folder = folder
        self._failed = 0

    def planned(
        self, plan: list[PlannedCell], finished: Finished, looks: SweepLooks, timing: Timing
    ) -> None:
        super().planned(plan, finished, looks, timing)
        self._failed = sum(r.status not in _NO_FAULT for r in finished.records.values())
        self._write("")

    def round_started(self, planned: PlannedCell, round_index: int) -> None:
        super().round_started(planned, round_index)
        self._write(f"{planned.cell.label}, round {round_index}")

    def round_ended(self, planned: PlannedCell, record: Record) -> None:
        super().round_ended(planned, record)
        self._failed += record.status not in _NO_FAULT

    def ended(
        self,
        plan: list[PlannedCell],
        records: list[list[Record]],
        account: Account | None,
        comparisons: Sequence[Comparison],
    ) -> None:
        self._store(
            Progress(expected=sum(map(len, records)), failed=self._failed, is_complete=True)
        )
        super().ended(plan, records, account, comparisons)

    def _write(self, current: str) -> None:
        expected = int(self._progress.tasks[0].total or 0)
        self._store(Progress(expected=expected, failed=self._failed, current=current))

    def _store(self, progress: Progress) -> None:
        with suppress(OSError):  # if the folder cannot be written, the next record fails
            write_progress(self._folder, progress)
