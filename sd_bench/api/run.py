"""``sd_bench.run``: runs a sweep from Python, as the command does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from rich.console import Console

from sd_bench.api.errors import as_the_command_says_it, check_override
from sd_bench.api.frame import frame_of
from sd_bench.api.own_hydra import own_hydra
from sd_bench.capabilities.composition import register
from sd_bench.cli.carrying_out import Asked, read_arguments, run_jobs
from sd_bench.command_lines import name_of, words_to_resume
from sd_bench.execution.cell import Job
from sd_bench.execution.sweep import SweepInterrupted
from sd_bench.paths import CONF_DIR
from sd_bench.records import Record
from sd_bench.screens.console import make_console, say

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def run(*overrides: str, progress: bool = True) -> pd.DataFrame:
    """Measure every combination of the overrides, as ``python -m sd_bench -m ...`` does.

    >>> import sd_bench
    >>> rounds = sd_bench.run("batch_size=1,2", "attention=flash,math", "model_version=sd2_tiny")
    >>> rounds.groupby(["batch_size", "attention"]).runtime_s.mean()

    It is the same sweep: rounds are interleaved, and each runs in a new process and writes its
    record to ``multirun_outputs/<date>/<time>`` in the working folder (``hydra.sweep.dir=FOLDER``
    chooses another). Write overrides as you would type them; several values, separated by commas,
    span a matrix. ``progress=False`` prints nothing.

    Returns a DataFrame with one row per round, in the order in which they were measured, and with
    the columns of `sd_bench.api.frame.RecordRow`: the choices, ``status``, ``runtime_s`` and other
    times in seconds, ``peak_bytes`` in bytes, ``path`` of the record. ``analysis.load`` accepts it.
    With ``dry_run=true`` the plan is printed and the frame is empty.

    Raises ConfigError, with the line that the command would print, if the request cannot be carried
    out. A round that fails raises nothing; it is a row with its ``status`` and ``reason``. Ctrl-C,
    or the notebook's stop button, raises SweepInterrupted, a KeyboardInterrupt: records of finished
    rounds stay, and its message says where they are and how to resume. A process runs one sweep at
    a time; a second thread waits for the first.
    """
    console = make_console() if progress else Console(quiet=True)

    def show(line: str) -> None:
        if progress:
            say(line)

    with as_the_command_says_it(), own_hydra():
        register()
        asked = read_arguments(["-m", *map(check_override, overrides)], show)
        for old, new in asked.old_words:
            message = f"{old} is now {new}; the old words work until 1.0"
            warnings.warn(message, FutureWarning, stacklevel=2)
        try:
            return frame_of(*_measure(asked, console))
        except SweepInterrupted as interrupt:
            message = _last_words(interrupt.folder, asked.begun_with)
            raise SweepInterrupted(interrupt.folder, message) from None


def _measure(asked: Asked, console: Console) -> tuple[Path | None, list[Record]]:
    """The sweep's folder and its records; None and no records for a dry run."""
    folders: list[Path] = []
    records: list[Record] = []

    def task(jobs: Sequence[Job]) -> None:
        found = run_jobs(jobs, asked.typed, console).records
        folders.extend(job.sweep_folder for job in jobs if found)
        records.extend(record for of_cell in found for record in of_cell)

    search_path = create_config_search_path(str(CONF_DIR))
    hydra = Hydra.create_main_hydra2("sd_bench", search_path)
    overrides = [argument for argument in asked.for_hydra if argument != "-m"]
    with _no_missing_folder(overrides):  # logging is left to the caller
        hydra.multirun("config", task, overrides, with_log_configuration=False)
    return next(iter(folders), None), records


@contextmanager
def _no_missing_folder(overrides: Sequence[str]) -> Iterator[None]:
    """Make a given search path that does not exist an error, as Hydra only warns of it."""
    if not any(name_of(override) == "hydra.searchpath" for override in overrides):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "provider=hydra.searchpath", UserWarning)
        yield


def _last_words(folder: Path, begun_with: Sequence[str]) -> str:
    words = ", ".join(repr(word) for word in words_to_resume(folder, begun_with))
    return f"the records of finished rounds are in {folder}; continue with sd_bench.run({words})"
