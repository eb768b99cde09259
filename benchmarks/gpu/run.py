"""Measure a GPU in one call of bounded length, on a machine without network.

Installs the wheels that fetch_wheels.py has collected into a temporary folder, plans every sweep
without running it, then runs the steps, the most valuable first, until the time is up. Leaves
summary.md, records.tar.gz and log.txt; --resume continues with what did not fit.

Exit code 0: all steps are done; 1: a cell or a test failed; 2: nothing can run here, or the request
is wrong; 3: nothing failed, but steps were cut off or not started; 128 and the signal's number if
the call was ended from outside. Finished rounds are kept in each case.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NoReturn

from actions import ACTIONS, Request, in_folder, under_way
from commit import CHANGED, CLEAN, VARIABLE, read_commit
from machine import hold_gpu, install, machine_facts
from notebook import CUT_OFF, NOT_STARTED, Outcome
from places import ARCHIVE, LOG, RECORDS, Places, find_places, unpack
from report import Report
from session import LEAST_S, ROOT, Session, SetupError, Stopped, listen, undisturbed
from steps import ON_DEVICE, STEPS, Step, cells_of

HERE = Path(__file__).resolve().parent
EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_LEFT, EXIT_SIGNAL = 0, 1, 2, 3, 128
#: A shorter call could only install, plan and pack.
SHORTEST_S = 20
LIMIT_S = 540


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"run.py: {message}; --help lists what is available\n")


#: Makes the session of a call from its log, environment and time limit.
Begin = Callable[[BinaryIO, Mapping[str, str], float], Session]


def main(arguments: Sequence[str] | None = None, begin: Begin = Session) -> int:
    """Run the command; its exit code is described above."""
    options = _parser().parse_args(arguments)
    listen()
    try:
        with TemporaryDirectory(prefix="sd_bench-gpu-", ignore_cleanup_errors=True) as scratch:
            return call(options, Path(scratch), begin)
    except (SetupError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Stopped as stopped:
        print(f"run.py: ended by {stopped}", file=sys.stderr)
        return EXIT_SIGNAL + stopped.number


def _parser() -> argparse.ArgumentParser:
    names = [step.name for step in STEPS]
    parser = _Parser(prog="run.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--wheels", type=_path, default=HERE / "wheels", help="the folder of fetch_wheels.py")
    add("--out", type=_path, help="default: multirun_outputs/results_GPU_DATE; never overwritten")
    add("--records", type=_path, metavar="DIR", help="where rounds are kept (default: OUT/records)")
    add("--resume", type=_path, metavar="PATH", help="go on: an earlier OUT, or its records.tar.gz")
    add("--time-limit", type=_seconds, default=LIMIT_S, metavar="SECONDS", help="default: 540")
    add("--device", choices=list(ON_DEVICE), default="cuda", help="cpu: a trial, tiny networks")
    add("--only", nargs="+", choices=names, metavar="STEP", help=f"in order: {', '.join(names)}")
    add("--skip", nargs="+", choices=names, default=[], metavar="STEP", help="all but these")
    add("--extra", nargs="+", default=[], metavar="NAME=VALUE", help="for every sweep")
    add("--commit", type=_commit, help="of a tree without .git (default: what fetch_wheels noted)")
    return parser


def _path(text: str) -> Path:
    """An absolute path, since the commands of a call run in other folders."""
    return Path(text).absolute()


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if math.isfinite(value := float(text)) and value >= SHORTEST_S:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, {SHORTEST_S} or more")


def _commit(text: str) -> str:
    """``HASH`` or ``HASH-dirty`` in the format of SD_BENCH_COMMIT."""
    found = re.fullmatch(r"([0-9a-f]{7,40})(-dirty)?", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a commit; such as 1a2b3c4, or 1a2b3c4-dirty"
        )
    return f"{found[1]} {CHANGED if found[2] else CLEAN}"


def call(options: argparse.Namespace, scratch: Path, begin: Begin) -> int:
    """Check everything, then measure. Nothing outside ``scratch`` is touched before that."""
    site = scratch / "site"
    with (scratch / LOG).open("w+b", buffering=0) as log:
        session = begin(log, _environment(site, options), options.time_limit)
        install(session, options.wheels, site)
        facts, gpu = machine_facts(options.device)
        if options.device == "cuda":
            facts["GPU"] = hold_gpu()
        places = find_places(options.resume, options.out, options.records, facts["date"], gpu)
        request = Request(
            device=options.device, extra=tuple(options.extra), records=places.records.absolute()
        )
        steps = asked_for(options)
        waiting = [s for s in steps if not places.notebook.is_over(s.name, request.arguments(s))]
        dry_run(session, waiting, request, scratch)
        log.seek(0)
        so_far = log.read()
    for folder in (places.out, places.records):
        folder.mkdir(parents=True, exist_ok=True)
    unpack(places)
    with (places.out / LOG).open("a+b", buffering=0) as session.log:
        session.log.write(so_far)
        report = Report(session, places, facts, gpu)
        try:
            measure(report, session, waiting, request)
        finally:
            with undisturbed():
                print(report.save(), end="", flush=True)
                if left := report.notebook.left(step.name for step in STEPS):
                    print(how_to_go_on(options, places, left), flush=True)
    if report.has_failed:
        return EXIT_FAILED
    return EXIT_LEFT if report.notebook.left(step.name for step in steps) else EXIT_DONE


def asked_for(options: argparse.Namespace) -> list[Step]:
    """The steps of this call, in the order of ``--only`` if it was given."""
    by_name = {step.name: step for step in STEPS}
    names = dict.fromkeys(options.only or by_name)
    return [by_name[name] for name in names if name not in options.skip]


def _environment(site: Path, options: argparse.Namespace) -> dict[str, str]:
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    commit = options.commit or read_commit(ROOT, options.wheels)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        **({VARIABLE: commit} if commit else {}),
    }


def dry_run(session: Session, steps: Sequence[Step], request: Request, scratch: Path) -> None:
    """Let sd_bench plan every sweep. Raises SetupError if it refuses one of them."""
    sweeps = {}
    for step in (s for s in steps if s.kind == "sweep"):
        folder = request.records / step.name
        folder = folder if folder.exists() else scratch / "plans" / step.name
        sweeps[step.name] = in_folder(request.arguments(step), folder)
    command = [sys.executable, str(HERE / "dry_run.py"), json.dumps(sweeps)]
    answer = session.run("dry run", command, session.left_s)
    if answer.code is None:
        raise SetupError("the dry run of all sweeps took all the time; give more with --time-limit")
    if answer.code:
        raise SetupError(answer.last_line.removeprefix("sd_bench: "))


def measure(report: Report, session: Session, steps: Sequence[Step], request: Request) -> None:
    """Run the steps while there is time, then draw; an interrupted step is named."""
    for step in steps:
        if session.left_s < LEAST_S:
            report.note(step.name, Outcome(NOT_STARTED, ": no time left"))
            continue
        try:
            outcome = ACTIONS[step.kind](session, step, request)
        except Stopped as stopped:
            where = under_way(request.records / step.name, cells_of(request.arguments(step)))
            report.note(step.name, Outcome(CUT_OFF, f"by {stopped}{where}"))
            raise
        report.note(step.name, outcome)
    report.draw()


def how_to_go_on(options: argparse.Namespace, places: Places, left: Sequence[str]) -> str:
    """The commands that continue with the steps ``left``, here and on another machine."""
    command = ["python3", sys.argv[0], "--resume"]
    rest = ["--time-limit", f"{options.time_limit:g}", "--device", options.device]
    if options.wheels != HERE / "wheels":
        rest += ["--wheels", str(options.wheels)]
    if options.commit:
        commit, _, state = options.commit.partition(" ")
        rest += ["--commit", f"{commit}-dirty" if state == CHANGED else commit]
    if options.skip:
        rest += ["--skip", *options.skip]
    if options.extra:
        rest += ["--extra", *options.extra]
    is_inside = places.records == places.out / RECORDS
    there = [str(places.out)] if is_inside else [str(places.records), "--out", str(places.out)]
    archive = [str(places.out / ARCHIVE), "--out", "ANOTHER_FOLDER"]
    return (
        f"left for another call: {', '.join(left)}\n"
        f"  here:                  {shlex.join([*command, *there, *rest])}\n"
        f"  where the archive is:  {shlex.join([*command, *archive, *rest])}"
    )


if __name__ == "__main__":
    sys.exit(main())
