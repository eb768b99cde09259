"""The command ``python -m sd_bench``: Hydra composes the cells, ``execution`` runs them."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from sd_bench.capabilities.composition import register
from sd_bench.capabilities.hydra_plugins import check_sweeper, check_sweeper_typed
from sd_bench.cli.error_lines import SEVERAL_VALUES, is_users_fault, one_line
from sd_bench.cli.plan_screen import show_plan
from sd_bench.cli.resume_arguments import (
    OUTPUTS,
    command_to_resume,
    resumed_arguments,
    stored_arguments,
)
from sd_bench.cli.sweep_screen import Screen
from sd_bench.command_lines import shown
from sd_bench.config.conversion import at_scale, from_hydra
from sd_bench.config.hydra_arguments import arguments_for_hydra, with_present_names
from sd_bench.config.overrides import parse_overrides
from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell, EndedJobs, Job
from sd_bench.execution.leaving_out import find_unsupported, say_left_out
from sd_bench.execution.pinning import pinned, recognised_model
from sd_bench.execution.slots import slots_for
from sd_bench.execution.sweep import (
    SweepInterrupted,
    SweepResult,
    plan_sweep,
    result_in,
    run_sweep,
)
from sd_bench.execution.time_estimate import estimates
from sd_bench.paths import CONF_DIR
from sd_bench.screens.console import is_reader_gone, make_console, say
from sd_bench.screens.lines import print_line

EXIT_OK, EXIT_FAILED_CELL, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main() -> int:
    """Run the command line and give the exit code.

    0: done; 1: a cell failed; 2: the request cannot be carried out; 130: interrupted.
    """
    register()
    results: list[SweepResult] = []
    refused: list[Exception] = []
    here = os.getpid()
    begun_with: list[str] = []
    wants_traceback = "traceback=true" in sys.argv or "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of exiting
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a prompt may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    # Hydra warns of a folder that is not there, and goes on without the options that are in it.
    warnings.filterwarnings("error", "provider=hydra.searchpath", UserWarning)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: end the worker, tidy up
    try:
        present = [with_present_names(argument) for argument in sys.argv[1:]]
        old_words = [(o, n) for o, n in zip(sys.argv[1:], present, strict=True) if o != n]
        typed = resumed_arguments(present)
        begun_with = stored_arguments(typed)
        if set(typed) - {*present, "resume=true"} and typed != present:
            say(f"continuing with: {shown('sd_bench', *typed)}")
        sys.argv[1:] = arguments_for_hydra(typed)
        overrides = _overrides_in(sys.argv[1:])
        check_sweeper_typed(overrides)
        sys.argv[1:] += _recognised(overrides)

        def task(jobs: DictConfig | Sequence[Job] | EndedJobs) -> None:
            """All jobs of the sweep from our launcher; one job from any other of Hydra's.

            Of the latter the sweeper tells at the end where they ran: not here, perhaps, but in
            another process, which had its own list of results.
            """
            if refused:  # Hydra's launchers go on with the next job
                return
            if isinstance(jobs, EndedJobs):
                results.append(result_in(jobs.folders))
                return
            while old_words:
                old, new = old_words.pop(0)
                words = f"{old} is now {new}; the old words work until 1.0"
                say(f"sd_bench: {words}", sys.stderr)
            try:
                results.append(_run_jobs(jobs, typed))
            except Exception as error:
                if not isinstance(jobs, DictConfig) or os.getpid() != here:
                    raise
                refused.append(error)  # Hydra's launchers would print a line of their own

        _run_hydra(task)
        if refused:
            raise refused[0]
    except KeyboardInterrupt as interrupt:
        say(_last_words(interrupt, begun_with), sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as raised:
        error = refused[0] if refused else raised  # another sweeper stumbles over what we refused
        if isinstance(error, BrokenPipeError) and is_reader_gone():  # of what Hydra prints
            return EXIT_OK
        if wants_traceback or not is_users_fault(error):
            raise
        say(f"sd_bench: {one_line(error)}", sys.stderr)
        return EXIT_USAGE
    return EXIT_FAILED_CELL if any(result.failed for result in results) else EXIT_OK


def _run_hydra(task: Callable[..., None]) -> None:
    """Let Hydra compose what is on the command line, and hand it to ``task``.

    Raises ConfigError for a part of the configuration that is to be shown and is not there.
    """
    run = hydra.main(config_path=str(CONF_DIR), config_name="config", version_base="1.3")(task)
    package = next((a for a in sys.argv if a.startswith("--package=")), None)
    if package is None or not any(a.startswith("--cfg=") for a in sys.argv):
        run()
        return
    try:
        with redirect_stderr(io.StringIO()):  # where Hydra prints its own line, and exits
            run()
    except SystemExit as ending:
        if not ending.code:
            raise
        raise ConfigError(
            f"{package}: the configuration has no such part; --cfg job shows all parts"
        ) from None


def _recognised(overrides: Sequence[str]) -> list[str]:
    """The model_version of a checkpoint on the command line, shown on the screen."""
    found = recognised_model(parse_overrides(overrides))
    if found is None:
        return []
    weights, name = found
    say(f"{weights} holds {name}")
    return [f"model_version={name}"]


def _last_words(interrupt: KeyboardInterrupt, begun_with: Sequence[str]) -> str:
    if not isinstance(interrupt, SweepInterrupted):
        return "interrupted"
    return (
        "interrupted; the records of finished rounds are kept; continue with: "
        f"{command_to_resume(interrupt.folder, begun_with)}"
    )


def _overrides_in(arguments: list[str]) -> list[str]:
    """The arguments that are not flags.

    Raises ConfigError for what Hydra's parser would refuse with a page of usage.
    """

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message}; {shown('sd_bench', '--help')} lists what is available")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    parsed = parser.parse_args(arguments)
    if parsed.experimental_rerun is not None:
        refuse("--experimental-rerun is not supported here: resume=true continues a sweep")
    overrides: list[str] = parsed.overrides
    return overrides


def _run_jobs(jobs: DictConfig | Sequence[Job], typed: list[str]) -> SweepResult:
    if isinstance(jobs, DictConfig):  # another launcher of Hydra's: each job is its own sweep
        check_sweeper(HydraConfig.get().sweeper)
        job = _single_job(jobs)
        return _run([job], job.folder, typed)
    if not jobs:
        raise ConfigError("no cells: a range or glob on the command line matches nothing")
    is_sweep = {"-m", "--multirun"} & set(typed)
    if len(jobs) > 1 and not is_sweep and all(job.config.experiment is None for job in jobs):
        raise ConfigError(SEVERAL_VALUES)
    return _run(jobs, jobs[0].sweep_folder, typed)


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


def _run(jobs: Sequence[Job], folder: Path, typed: list[str]) -> SweepResult:
    console = make_console()
    cells = [_cell(job) for job in jobs]
    if left_out := find_unsupported(cells):
        for line in say_left_out(cells, left_out):
            print_line(console, line)
        jobs = [job for at, job in enumerate(jobs) if at not in left_out]
        cells = [cell for at, cell in enumerate(cells) if at not in left_out]
    if any(cell.config.dry_run for cell in cells):
        plan, finished = plan_sweep(cells, folder)
        slots_for([cell.config for cell in cells])  # whether there are as many GPUs as asked for
        earlier = (OUTPUTS, folder.parent)
        show_plan(console, plan, finished, estimates(plan, earlier))
        return SweepResult([])
    arguments = stored_arguments(typed)
    screen = Screen(console, arguments, any(cell.config.verbose for cell in cells))
    try:
        return run_sweep(
            cells,
            screen,
            folder,
            arguments,
            at_scale=lambda scale: [_cell(job, scale) for job in jobs],
        )
    finally:
        screen.stop()
