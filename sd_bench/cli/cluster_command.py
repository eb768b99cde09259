"""A sweep with ``hydra/launcher=slurm`` or ``ray``: plan its groups, submit them, follow them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from sd_bench.cli.groups_screen import show_groups, status_table
from sd_bench.cli.resume_arguments import OUTPUTS, command_to_resume, stored_arguments
from sd_bench.cluster.folders import GroupFolders, count_records, groups_of
from sd_bench.cluster.groups import Group, group_cells
from sd_bench.cluster.scheduled import ScheduledJobs, define_group, read_scheduler
from sd_bench.cluster.schedulers import Scheduler
from sd_bench.cluster.settings import CommonSettings
from sd_bench.cluster.status import SweepStatus, read_status
from sd_bench.cluster.submission import Submitted, submit_groups
from sd_bench.command_lines import as_operand, name_of, shown
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.leaving_out import find_unsupported, say_left_out
from sd_bench.execution.plan import PlannedCell, plan_elsewhere
from sd_bench.execution.sweep import SweepResult
from sd_bench.execution.sweep_folder import LOCK
from sd_bench.execution.time_estimate import estimates
from sd_bench.records.sweep_file import is_sweep, start_sweep
from sd_bench.screens.console import make_console
from sd_bench.screens.lines import print_line
from sd_bench.screens.progress import counted
from sd_bench.screens.tables import print_unbroken

#: Arguments for the jobs besides those that are stored with a sweep.
_FOR_JOBS = ("retry_failed", "mix_environments", "verbose")
_SUBMITS = {"slurm": "sbatch", "ray": "ray.remote"}


class Detached(KeyboardInterrupt):
    """Ctrl-C while jobs run: they keep running. The message says how to follow and to end them."""


def run_scheduled(
    scheduled: ScheduledJobs, cells: Sequence[Cell], folder: Path, typed: Sequence[str]
) -> SweepResult:
    """Submit the sweep's groups and wait until they end, or show what would be submitted.

    Raises ConfigError if it cannot be done, OSError if the folder cannot be written, Detached on
    Ctrl-C once jobs are submitted.
    """
    console = make_console()
    settings, scheduler = read_scheduler(scheduled.launcher, scheduled.settings)
    overrides = scheduled.overrides
    if left_out := find_unsupported(cells, _plan):
        for line in say_left_out(cells, left_out):
            print_line(console, line)
        kept = [at for at in range(len(cells)) if at not in left_out]
        cells, overrides = [cells[at] for at in kept], [overrides[at] for at in kept]
    plan = _plan(cells)
    config = cells[0].config
    _check(config.resume, config.more_rounds, folder)
    groups = group_cells([cell.config for cell in cells], settings.group_by, settings.nodes)
    if any(cell.config.dry_run for cell in cells):
        _show(console, scheduler, groups, plan, folder)
        return SweepResult([])
    arguments = [*stored_arguments(typed), *(a for a in typed if name_of(a) in _FOR_JOBS)]
    stored = [
        define_group(group, folder, settings, scheduler.name, overrides, arguments)
        for group in groups
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCK).touch()
    if not is_sweep(folder) or len(groups) >= len(groups_of(folder)):
        start_sweep(folder, stored_arguments(typed))
    jobs: list[str] = []

    def report(submitted: Submitted) -> None:
        if submitted.job is not None:
            jobs.append(submitted.job)
        print_line(console, _line_of(submitted))

    try:
        submit_groups(scheduler, folder, groups, stored, report)
        print_line(console, f"{len(cells)} cell(s) in {len(groups)} group(s), into", str(folder))
        if not settings.wait:
            print_line(console, "to see its progress:", shown("sd_bench", "status", str(folder)))
            return SweepResult([])
        return _follow(console, scheduler, settings, folder, typed)
    except KeyboardInterrupt:
        raise Detached(_how_to_go_on(folder, scheduler, jobs, typed)) from None


def _plan(cells: Sequence[Cell]) -> list[PlannedCell]:
    with closing(counted(cells, "cells planned")) as progress:
        return plan_elsewhere(cells, progress)


def _check(resumes: bool, more_rounds: int, folder: Path) -> None:
    if more_rounds:
        raise ConfigError(
            f"more_rounds={more_rounds}: a job that is queued again would add them again; give "
            "protocol.rounds=N, or resume one group's folder on its machine"
        )
    if is_sweep(folder) and not resumes:
        raise ConfigError(
            f"hydra.sweep.dir={folder}: already holds another sweep; name another folder, or "
            "continue that one (resume=true)"
        )
    if is_sweep(folder) and not groups_of(folder):
        raise ConfigError(
            f"hydra.sweep.dir={folder}: is a sweep of one machine; continue it there, or name "
            "another folder"
        )


def _show(
    console: Console,
    scheduler: Scheduler,
    groups: Sequence[Group],
    plan: Sequence[PlannedCell],
    folder: Path,
) -> None:
    done = {group.name: count_records(GroupFolders(folder, group.name).records) for group in groups}
    show_groups(
        console,
        groups,
        plan,
        done,
        estimates(plan, (OUTPUTS, folder.parent)),
        {group.name: scheduler.parameters(group) for group in groups},
        _SUBMITS[scheduler.name],
    )


def _line_of(submitted: Submitted) -> str:
    if submitted.job is None:
        return f"{submitted.group}: {submitted.why_none}"
    return f"{submitted.group}: job {submitted.job}" + (
        "" if submitted.is_new else ", submitted before"
    )


def _follow(
    console: Console,
    scheduler: Scheduler,
    settings: CommonSettings,
    folder: Path,
    typed: Sequence[str],
) -> SweepResult:
    """Print what changes until all jobs have ended."""
    before: dict[tuple[str, str], str] = {}
    away = ""
    while True:
        status = read_status(folder, scheduler)
        if status.away and status.away != away:
            print_line(console, f"{status.away}: jobs keep running; asking again")
        away = status.away
        for line in _changes(status, before):
            print_line(console, line)
        if status.is_over:
            break
        time.sleep(settings.poll_s)
    console.print()
    print_unbroken(status_table(status), console)
    print_line(console, "Charts and a report:", shown("analysis", *as_operand(folder)))
    if any(each.pending for each in status.groups):
        print_line(console, "to run the rest:", command_to_resume(folder, stored_arguments(typed)))
    return SweepResult([], is_lost=status.has_failed)


def _changes(status: SweepStatus, before: dict[tuple[str, str], str]) -> list[str]:
    lines = []
    for each in () if status.away else status.groups:
        facts = filter(None, (each.state, each.reason, each.node and f"on {each.node}"))
        state = f"{each.group}: {each.word} ({', '.join(facts)})"
        key = (each.group, each.node)
        if before.get(key) != state:
            rounds = f", {each.done} round(s) measured" if each.done else ""
            lines.append(state + rounds)
            before[key] = state
    return lines


def _how_to_go_on(
    folder: Path, scheduler: Scheduler, jobs: Sequence[str], typed: Sequence[str]
) -> str:
    if not scheduler.jobs_outlive_command:
        again = command_to_resume(folder, stored_arguments(typed))
        return f"interrupted, and its tasks with it; continue with: {again}"
    follow = shown("sd_bench", "status", str(folder), "--watch")
    lines = [f"the jobs keep running; follow them with: {follow}"]
    if jobs:
        lines.append(f"end them with: {' '.join(scheduler.words_to_cancel(jobs))}")
    return "\n".join(lines)
