"""``python -m sd_bench status FOLDER``: shows the progress of a sweep on many machines."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live

from sd_bench.cli.error_lines import is_users_fault, one_line
from sd_bench.cli.groups_screen import status_table
from sd_bench.cli.resume_arguments import OUTPUTS
from sd_bench.cluster.folders import find_groups
from sd_bench.cluster.scheduled import read_scheduler
from sd_bench.cluster.status import SweepStatus, read_status
from sd_bench.command_lines import OneLineParser, shown
from sd_bench.errors import ConfigError
from sd_bench.records.sweep_file import newest_sweep
from sd_bench.screens.console import is_reader_gone, make_console, say
from sd_bench.screens.lines import print_line
from sd_bench.screens.tables import draw_table, print_unbroken

_OK, _USAGE, _INTERRUPTED = 0, 2, 130


def main(arguments: Sequence[str]) -> int:
    """Run ``status`` with these arguments and return the exit code."""
    try:
        options = _read(arguments)
        folder = _folder(options.folder)
        if options.watch:
            _watch(folder, options.every)
        else:
            _print(_status(folder), options.json)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and is_reader_gone():
            return _OK
        if not is_users_fault(error):
            raise
        say(f"sd_bench: {one_line(error)}", sys.stderr)
        return _USAGE
    return _OK


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OneLineParser(
        prog=shown("sd_bench", "status"),
        description="Show the progress of a sweep of hydra/launcher=slurm or ray: rounds done, "
        "running, pending and failed, and the state of each group's job with the scheduler's "
        "reason.",
    )
    parser.add_argument("folder", nargs="?", help="the sweep's folder (default: the newest sweep)")
    parser.add_argument("--watch", action="store_true", help="update until all jobs have ended")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between updates (5)")
    options = parser.parse_args(arguments)
    if options.watch and options.json:
        parser.error("--watch shows a table: leave out --json")
    if not options.every > 0:
        parser.error("--every: must be above 0 seconds")
    return options


def _folder(named: str | None) -> Path:
    if named is not None:
        return Path(named).absolute()
    newest = newest_sweep(OUTPUTS)
    if newest is None:
        raise ConfigError(f"status: there is no sweep in {OUTPUTS}/; name its folder")
    return newest.absolute()


def _status(folder: Path) -> SweepStatus:
    launcher = find_groups(folder)[0].read().scheduler
    _, scheduler = read_scheduler(launcher, {})
    return read_status(folder, scheduler)


def _print(status: SweepStatus, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(_for_json(status)), indent=1).decode())
        return
    console = make_console()
    print_unbroken(status_table(status), console)
    if status.away:
        print_line(console, f"{status.away}: the jobs' states are unknown now")


def _for_json(status: SweepStatus) -> dict[str, object]:
    return {"away": status.away, "is_over": status.is_over, "groups": list(status.groups)}


def _watch(folder: Path, every_s: float) -> None:
    """Show the table until all jobs have ended: live on a terminal, else printed on each change."""
    console = make_console()
    if console.is_terminal:
        _watch_live(folder, every_s, console)
        return
    before = None
    while True:
        status = _status(folder)
        if status != before:
            _print(status, as_json=False)
            sys.stdout.flush()
            before = status
        if status.is_over:
            return
        time.sleep(every_s)


def _watch_live(folder: Path, every_s: float, console: Console) -> None:
    with Live(console=console, auto_refresh=False) as live:
        while True:
            status = _status(folder)
            live.update(draw_table(status_table(status), console), refresh=True)
            if status.is_over:
                return
            time.sleep(every_s)
