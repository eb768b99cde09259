"""The command ``python -m sd_bench``: Hydra composes the cells, ``execution`` runs them."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from types import FrameType

import hydra
from omegaconf import DictConfig

from sd_bench.capabilities.composition import register
from sd_bench.cli.carrying_out import read_arguments, run_jobs
from sd_bench.cli.cluster_command import Detached
from sd_bench.cli.error_lines import is_users_fault, one_line
from sd_bench.cli.resume_arguments import command_to_resume
from sd_bench.cluster.group_job import END_SIGNAL
from sd_bench.cluster.scheduled import ScheduledJobs
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import EndedJobs, Job
from sd_bench.execution.folder_claim import VARIABLE
from sd_bench.execution.sweep import SweepInterrupted, SweepResult, result_in
from sd_bench.paths import CONF_DIR
from sd_bench.screens.console import is_reader_gone, make_console, say

_PR_SET_PDEATHSIG = 1
EXIT_OK, EXIT_FAILED_CELL, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main() -> int:
    """Run the command line and return its exit code.

    0: done; 1: a cell failed; 2: the request cannot be carried out; 130: interrupted.
    """
    register()
    results: list[SweepResult] = []
    refused: list[Exception] = []
    here = os.getpid()
    begun_with: list[str] = []
    wants_traceback = "traceback=true" in sys.argv or "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors instead of exiting
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # prompts may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    # Hydra only warns of a missing folder, and goes on without the options in it.
    warnings.filterwarnings("error", "provider=hydra.searchpath", UserWarning)
    ending = _Ending()
    if VARIABLE in os.environ:
        _leave_signals_to_the_job(ending)
    else:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: end the worker
    try:
        asked = read_arguments(sys.argv[1:], say)
        begun_with, old_words = asked.begun_with, list(asked.old_words)
        sys.argv[1:] = asked.for_hydra

        def task(jobs: DictConfig | Sequence[Job] | ScheduledJobs | EndedJobs) -> None:
            """Run all jobs of the sweep, from our launcher, or one job, from another of Hydra's.

            Another launcher may run jobs in other processes, each with its own list of results;
            the sweeper passes the jobs' folders at the end.
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
                results.append(run_jobs(jobs, asked.typed, make_console(), ending))
            except Exception as error:
                if not isinstance(jobs, DictConfig) or os.getpid() != here:
                    raise
                refused.append(error)  # Hydra's launchers would print a line themselves

        _run_hydra(task)
        if refused:
            raise refused[0]
    except KeyboardInterrupt as interrupt:
        say(_last_words(interrupt, begun_with), sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as raised:
        error = refused[0] if refused else raised  # another sweeper fails after a job was refused
        if isinstance(error, BrokenPipeError) and is_reader_gone():  # raised by Hydra's printing
            return EXIT_OK
        if wants_traceback or not is_users_fault(error):
            raise
        say(f"sd_bench: {one_line(error)}", sys.stderr)
        return EXIT_USAGE
    return EXIT_FAILED_CELL if any(result.failed for result in results) else EXIT_OK


def _run_hydra(task: Callable[..., None]) -> None:
    """Let Hydra compose the command line and pass the result to ``task``.

    Raises ConfigError if ``--package`` asks for a part that the configuration does not have.
    """
    run = hydra.main(config_path=str(CONF_DIR), config_name="config", version_base="1.3")(task)
    package = next((a for a in sys.argv if a.startswith("--package=")), None)
    if package is None or not any(a.startswith("--cfg=") for a in sys.argv):
        run()
        return
    try:
        with redirect_stderr(io.StringIO()):  # hides Hydra's own line; it then exits
            run()
    except SystemExit as ending:
        if not ending.code:
            raise
        raise ConfigError(
            f"{package}: the configuration has no such part; --cfg job shows all parts"
        ) from None


class _Ending:
    """Whether the command should end after the rounds under way; call it to ask."""

    def __init__(self) -> None:
        self._is_asked_for = False

    def ask_for(self, number: int, frame: FrameType | None) -> None:
        self._is_asked_for = True

    def __call__(self) -> bool:
        return self._is_asked_for


def _leave_signals_to_the_job(ending: _Ending) -> None:
    """Ignore a scheduler's signals, which reach every process of a job; the job sends its own.

    Workers inherit that, so that a warning costs no round. The command is killed when the process
    that holds its claim ends for any reason.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.signal(END_SIGNAL, ending.ask_for)


def _last_words(interrupt: KeyboardInterrupt, begun_with: Sequence[str]) -> str:
    if isinstance(interrupt, Detached):
        return str(interrupt)
    if not isinstance(interrupt, SweepInterrupted):
        return "interrupted"
    return (
        "interrupted; the records of finished rounds are kept; continue with: "
        f"{command_to_resume(interrupt.folder, begun_with)}"
    )
