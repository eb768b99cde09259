"""A tune on the screen: the live table of the race, the rounds of the final, the answer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from sd_bench.cli.sweep_screen import Screen
from sd_bench.cli.tune_answer import paragraph, table_of
from sd_bench.command_lines import shown
from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.execution.time_account import Account
from sd_bench.execution.timing import Timing
from sd_bench.records import Record
from sd_bench.screens.lines import print_line
from sd_bench.screens.race import Runner, name_estimate, tabulate_race
from sd_bench.screens.tables import draw_table
from sd_bench.tuning.candidates import name_overrides, shorten_overrides
from sd_bench.tuning.diffusers_lines import say_effects, write_lines
from sd_bench.tuning.line_up import LineUp
from sd_bench.tuning.rows import BASE, RACING, STARTING, Row, by_score
from sd_bench.tuning.tune import Outcome
from sd_bench.verdicts.comparisons import Comparison


class FinalScreen(Screen):
    """Shows the rounds of the final as those of any sweep, but no answers: the tune has its own."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.looks: SweepLooks | None = None
        self.plan: list[PlannedCell] = []
        self.records: list[list[Record]] = []

    def planned(
        self, plan: list[PlannedCell], finished: Finished, looks: SweepLooks, timing: Timing
    ) -> None:
        self.looks = looks
        super().planned(plan, finished, looks, timing)

    def ended(
        self,
        plan: list[PlannedCell],
        records: list[list[Record]],
        account: Account | None,
        comparisons: Sequence[Comparison],
    ) -> None:
        self._progress.stop()
        self.plan, self.records = plan, records


class TuneScreen:
    """Draws only between two turns: the screen does not change while a call is timed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[object, Row] = {}
        self._warned: set[str] = set()
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._final: FinalScreen | None = None

    def begun(self, workload: str, folder: Path, num_known: int) -> None:
        known = f", {num_known} candidate(s) known from an earlier tune" if num_known else ""
        self._say(f"tuning {workload}{known}, into", str(folder))
        if self._console.is_terminal:
            self._live.start()

    def changed(self, row: Row) -> None:
        before = self._rows.get(row.key)
        self._rows[row.key] = row
        if self._console.is_terminal:
            table = tabulate_race([_runner(each) for each in self._rows.values()])
            self._live.update(draw_table(table, self._console), refresh=True)
        elif row.status not in (STARTING, RACING) and (before is None or before != row):
            self._say(_line(row))

    def warned(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            self._say(f"warning: {sentence}", style="yellow")

    def final_begins(self, lined_up: LineUp) -> None:
        self._show_race(list(self._rows.values()))
        names = ", ".join(shorten_overrides(f.candidate.overrides) for f in lined_up.finalists)
        self._say(f"the final, {lined_up.rounds} rounds of each: {names}")
        for overrides, reason in lined_up.left_out.items():
            self._say(f"not in the final: {shorten_overrides(overrides)}: {reason}")

    def final_watcher(self) -> FinalScreen:
        self._final = FinalScreen(self._console)
        return self._final

    def stop(self) -> None:
        """Stop drawing, so that the terminal is usable again."""
        self._live.stop()
        if self._final is not None:
            self._final.stop()

    def answered(self, outcome: Outcome) -> None:
        """Print the paragraph, the table, and the lines to copy."""
        self._console.print()
        for sentence in paragraph(outcome):
            self._say(sentence)
        self._console.print()
        self._console.print(draw_table(table_of(outcome), self._console))
        self._say(
            "Use it here:", shown("sd_bench", *outcome.answer.typed, *outcome.answer.overrides)
        )
        self._say("or, as the newest answer for this workload:", "preset=tuned")
        self._console.print()
        self._lines_for_diffusers(outcome)
        self._say("The answer, for another machine's start_from:", shlex.quote(str(outcome.path)))

    def _lines_for_diffusers(self, outcome: Outcome) -> None:
        config, found = outcome.for_diffusers, tuple(outcome.answer.for_diffusers)
        is_choice = outcome.answer.for_diffusers == outcome.answer.overrides
        if not is_choice:
            self._say(
                "A pipeline of diffusers cannot have all of that. The fastest candidate that it "
                f"can have: {name_overrides(outcome.answer.for_diffusers)}."
            )
        self._say(
            "For a script that uses diffusers: call pipe = tuned(pipe) once the pipeline is loaded "
            f"(--write FILE writes the function into a file). {say_effects(config)}"
        )
        for line in write_lines(config):
            self._console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
        row = next((row for row in outcome.rows if row.overrides == found and row.score), None)
        if found and not is_choice and row is not None and row.score is not None:
            self._say(
                f"In the race its UNet calls were {row.score:.2f} times as fast as those of "
                "sd_bench's default: an estimate from one process, not a verdict."
            )
        self._say("What these lines gain with your pipeline and your size is not measured here.")

    def interrupted(self, rows: Sequence[Row], again: str) -> None:
        """Print the best candidate so far, which is only an estimate."""
        self.stop()
        timed = [row for row in rows if row.is_timed]
        if timed:
            self._show_race(list(rows))
            best = by_score(timed)[0]
            self._say(
                f"interrupted; best so far, without a verdict: {best.label}; continue with:", again
            )
        else:
            self._say("interrupted before anything was timed; start again with:", again)

    def _show_race(self, rows: Sequence[Row]) -> None:
        self._live.stop()
        self._console.print()
        table = tabulate_race([_runner(row) for row in rows])
        self._console.print(draw_table(table, self._console))

    def _say(self, text: str, copied: str = "", style: str = "") -> None:
        print_line(self._console, text, copied, style)


def _runner(row: Row) -> Runner:
    is_base = row.status == BASE
    return Runner(
        label=_short_label(row),
        status=row.status,
        call_s=row.call_s,
        speedup=None if is_base else row.speedup,
        low=row.low,
        high=row.high,
        reason=row.reason,
    )


def _short_label(row: Row) -> str:
    """The choices that the row adds to those it was tried on top of, shortened."""
    on_top = bool(row.base) and not row.is_alone
    added = [override for override in row.overrides if not on_top or override not in row.base]
    return f"{'+ ' if on_top else ''}{shorten_overrides(added)}"


def _line(row: Row) -> str:
    runner = _runner(row)
    estimate = name_estimate(runner)
    against = f", {estimate} times as fast as {shorten_overrides(row.base)}"
    call = "" if row.call_s is None else f", {row.call_s:.3g} s per UNet call"
    ready = "" if row.ready_s is None else f", ready after {row.ready_s:.0f} s"
    reason = f": {row.reason}" if row.reason else ""
    return f"{runner.label}: {row.status}{reason}{call}{'' if estimate == '-' else against}{ready}"
