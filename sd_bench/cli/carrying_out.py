"""Reads the arguments of a sweep and measures the jobs that Hydra composes from them.

Both the command and ``sd_bench.run`` use it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from sd_bench.capabilities.hydra_plugins import check_sweeper, check_sweeper_typed
from sd_bench.cli.cluster_command import run_scheduled
from sd_bench.cli.error_lines import SEVERAL_VALUES
from sd_bench.cli.job_screen import JobScreen
from sd_bench.cli.plan_screen import show_plan
from sd_bench.cli.resume_arguments import OUTPUTS, resumed_arguments, stored_arguments
from sd_bench.cli.sweep_screen import Screen
from sd_bench.cluster.scheduled import ScheduledJobs
from sd_bench.command_lines import shown
from sd_bench.config.conversion import at_scale, from_hydra
from sd_bench.config.hydra_arguments import arguments_for_hydra, with_present_names
from sd_bench.config.overrides import parse_overrides
from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell, Job
from sd_bench.execution.folder_claim import VARIABLE
from sd_bench.execution.leaving_out import find_unsupported, say_left_out
from sd_bench.execution.pinning import pinned, recognised_model
from sd_bench.execution.slots import slots_for
from sd_bench.execution.sweep import SweepResult, plan_sweep, run_sweep
from sd_bench.execution.time_estimate import estimates
from sd_bench.screens.lines import print_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A user's arguments, resolved.

    ``typed`` are the arguments with the folder of ``resume=last`` and, on resuming, the sweep's
    matrix; ``begun_with`` is the part that another command needs to resume the sweep;
    ``for_hydra`` is what Hydra gets. ``old_words`` pairs each argument in an earlier version's
    words with its form today.
    """

    typed: list[str]
    begun_with: list[str]
    for_hydra: list[str]
    old_words: list[tuple[str, str]]


def read_arguments(arguments: Sequence[str], show: Callable[[str], None]) -> Asked:
    """Resolve the user's arguments, and ``show`` a line for each finding. Raises ConfigError."""
    present = [with_present_names(argument) for argument in arguments]
    typed = resumed_arguments(present)
    if set(typed) - {*present, "resume=true"} and typed != present:
        show(f"continuing with: {shown('sd_bench', *typed)}")
    for_hydra = arguments_for_hydra(typed)
    overrides = _overrides_in(for_hydra)
    check_sweeper_typed(overrides)
    return Asked(
        typed=typed,
        begun_with=stored_arguments(typed),
        for_hydra=[*for_hydra, *_recognised(overrides, show)],
        old_words=[(o, n) for o, n in zip(arguments, present, strict=True) if o != n],
    )


def _recognised(overrides: Sequence[str], show: Callable[[str], None]) -> list[str]:
    """The override for the model version that a checkpoint among the arguments holds, if any."""
    found = recognised_model(parse_overrides(overrides))
    if found is None:
        return []
    weights, name = found
    show(f"{weights} holds {name}")
    return [f"model_version={name}"]


def _overrides_in(arguments: list[str]) -> list[str]:
    """The arguments that are not flags.

    Raises ConfigError where Hydra's parser would print a page of usage.
    """

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {shown('sd_bench', '--help')}")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    parsed = parser.parse_args(arguments)
    if parsed.experimental_rerun is not None:
        refuse("--experimental-rerun is not for this command: resume=true continues a sweep")
    overrides: list[str] = parsed.overrides
    return overrides


def _never() -> bool:
    return False


def run_jobs(
    jobs: DictConfig | Sequence[Job] | ScheduledJobs,
    typed: Sequence[str],
    console: Console,
    is_ending: Callable[[], bool] = _never,
) -> SweepResult:
    """Measure the jobs of a sweep, or submit them if a scheduler runs them.

    Other launchers of Hydra's pass one job at a time, as its configuration. Once ``is_ending()``
    is true, the rounds under way finish and no other starts. Raises ConfigError, whatever a sweep
    raises, SweepInterrupted and Detached.
    """
    if isinstance(jobs, DictConfig):  # another launcher of Hydra's: each job is its own sweep
        check_sweeper(HydraConfig.get().sweeper)
        job = _single_job(jobs)
        return _run([job], job.folder, typed, console, is_ending)
    scheduled = None
    if isinstance(jobs, ScheduledJobs):
        scheduled, jobs = jobs, jobs.jobs
    if not jobs:
        raise ConfigError("no cells: a range or glob on the command line matches nothing")
    is_sweep = {"-m", "--multirun"} & set(typed)
    if len(jobs) > 1 and not is_sweep and all(job.config.experiment is None for job in jobs):
        raise ConfigError(SEVERAL_VALUES)
    folder = jobs[0].sweep_folder
    if scheduled is not None:
        return run_scheduled(scheduled, [_cell(job) for job in jobs], folder, list(typed))
    return _run(jobs, folder, typed, console, is_ending)


def _single_job(config: DictConfig) -> Job:
    runtime = HydraConfig.get()
    if config.preset.name == "tuned":
        raise ConfigError("preset=tuned: needs hydra/launcher=fresh_process, which is the default")
    folder = Path(runtime.runtime.output_dir)
    return Job(
        config=from_hydra(config),
        at_scale=lambda scale: from_hydra(at_scale(config, scale)),
        index=0 if OmegaConf.is_missing(runtime.job, "num") else runtime.job.num,
        label=runtime.job.override_dirname,
        folder=folder,
        sweep_folder=folder.parent,
    )


def _cell(job: Job, scale: str | None = None) -> Cell:
    config = pinned(job.config if scale is None else job.at_scale(scale))
    return Cell(
        config=config,
        index=job.index,
        label=job.label or _default_label(config),
        folder=job.folder,
        sweep_folder=job.sweep_folder,
    )


def _default_label(config: Config) -> str:
    return (
        f"{config.model_version.name} batch_size={config.workload.batch_size} "
        f"attention={config.attention.backend}"
    )


def _run(
    jobs: Sequence[Job],
    folder: Path,
    typed: Sequence[str],
    console: Console,
    is_ending: Callable[[], bool],
) -> SweepResult:
    cells = [_cell(job) for job in jobs]
    if left_out := find_unsupported(cells):
        for line in say_left_out(cells, left_out):
            print_line(console, line)
        jobs = [job for at, job in enumerate(jobs) if at not in left_out]
        cells = [cell for at, cell in enumerate(cells) if at not in left_out]
    if any(cell.config.dry_run for cell in cells):
        plan, finished = plan_sweep(cells, folder)
        slots_for([cell.config for cell in cells])  # raises if there are too few GPUs
        earlier = (OUTPUTS, folder.parent)
        show_plan(console, plan, finished, estimates(plan, earlier))
        return SweepResult([])
    arguments = stored_arguments(typed)
    verbose = any(cell.config.verbose for cell in cells)
    screen = (
        JobScreen(console, arguments, verbose, folder)
        if VARIABLE in os.environ
        else Screen(console, arguments, verbose)
    )
    try:
        return run_sweep(
            cells,
            screen,
            folder,
            arguments,
            at_scale=lambda scale: [_cell(job, scale) for job in jobs],
            is_ending=is_ending,
        )
    finally:
        screen.stop()
