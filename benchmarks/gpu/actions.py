"""Runs each kind of step and describes the outcome."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from notebook import CUT_OFF, ENDED, FAILED, Outcome
from session import ROOT, Answer, Session
from steps import RESUME, Step, arguments_of, cells_of

TESTS_LIMIT_S = 150
#: The time limit of a test; those that compile set a longer one themselves.
TEST_LIMIT_S = 60
#: pytest cannot end a test that hangs in the driver; pytest is ended if it prints nothing for so
#: long.
SILENCE_S = 120
COMPARISON_LIMIT_S = 90
_ARGUMENTS = {
    "tests": ("tests/gpu", "-m", "gpu"),
    "comparison": ("--device", "cuda", "--dtype", "fp16", "--size", "512", "--batch", "2"),
}
_VERDICT = re.compile(r"^(tests/\S+) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)", re.M)
_STARTED = re.compile(r"^(tests/\S+) ", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options that all steps of a call share."""

    device: str
    extra: tuple[str, ...]
    records: Path

    def arguments(self, step: Step) -> list[str]:
        """The arguments of the step's command; steps with equal arguments are the same."""
        if step.kind == "sweep":
            return arguments_of(step, self.device, self.extra)
        return list(_ARGUMENTS[step.kind])


def run_sweep(session: Session, step: Step, request: Request) -> Outcome:
    """Run a sweep, or the rest of it, in the time that is left."""
    arguments = request.arguments(step)
    folder = request.records / step.name
    command = [sys.executable, "-m", "sd_bench", "-m", *in_folder(arguments, folder)]
    answer, took = _run(session, "sweep", command, session.left_s)
    if answer.code is None:
        return Outcome(CUT_OFF, f"{took}{under_way(folder, cells_of(arguments))}", arguments)
    if answer.code == 0:
        return Outcome(ENDED, took, arguments)
    return Outcome(FAILED, f"{took}: exit code {answer.code}: {answer.last_line}", arguments)


def in_folder(arguments: list[str], folder: Path) -> list[str]:
    """A sweep's arguments with its folder; an existing folder is resumed."""
    return [
        *arguments,
        *([RESUME] if (folder / "sweep.json").exists() else []),
        f"hydra.sweep.dir={folder}",
    ]


def under_way(folder: Path, cells: list[str]) -> str:
    """Which round had begun when a sweep was cut off: it has a log but no record."""
    logs = (log for log in folder.glob("*/round-*.log") if not log.with_suffix(".json").exists())
    for log in logs:
        place = log.parent.name
        known = place.isdigit() and int(place) < len(cells)
        return f" in {log.stem}, {cells[int(place)] if known else place}"
    return ""


def run_tests(session: Session, step: Step, request: Request) -> Outcome:
    """The tests in tests/gpu, in at most TESTS_LIMIT_S.

    Warnings are not errors here, since other versions on the machine may give other warnings. The
    project's usual options are left out: they need plugins, and would run two processes on one GPU.
    """
    arguments = request.arguments(step)
    if importlib.util.find_spec("pytest") is None:
        return Outcome(FAILED, "no pytest here", arguments)
    has_limit = importlib.util.find_spec("pytest_timeout") is not None
    command = [
        sys.executable, "-m", "pytest", *arguments, "-v", "--tb=short", "--durations=10", "-rfE",
        "-W", "default", "-o", "addopts=", "-p", "no:cacheprovider",
        *(["-o", f"timeout={TEST_LIMIT_S}"] if has_limit else []),
    ]  # fmt: skip
    limit_s = min(TESTS_LIMIT_S, session.left_s)
    answer, took = _run(session, "tests", command, limit_s, SILENCE_S)
    verdicts = dict(_VERDICT.findall(answer.output))
    failures = [name for name, verdict in verdicts.items() if verdict in ("FAILED", "ERROR")]
    line = answer.last_line.strip("=! ")
    if answer.code is not None:
        state = FAILED if answer.code else ENDED
        return Outcome(state, f"{took}: {line}", arguments, failures)
    begun = [name for name in _STARTED.findall(answer.output) if name not in verdicts]
    where = f" in {begun[-1]}" if begun else ""
    why = f", silent for {SILENCE_S} s" if answer.silent else ""
    words = f"{took}{where}{why}; {len(verdicts)} test(s) done, {len(failures)} failed"
    return Outcome(CUT_OFF, words, arguments, failures)


def compare_unets(session: Session, step: Step, request: Request) -> Outcome:
    """Compare the UNet with that of diffusers: full-size networks in one process."""
    script = "benchmarks/unet_vs_diffusers.py"
    arguments = request.arguments(step)
    if request.device != "cuda":
        return Outcome(ENDED, "without a number: full-size networks, not tried here", arguments)
    if importlib.util.find_spec("diffusers") is None:
        return Outcome(ENDED, "without a number: no diffusers here", arguments)
    limit_s = min(COMPARISON_LIMIT_S, session.left_s)
    command = [sys.executable, str(ROOT / script), *arguments]
    answer, took = _run(session, "comparison", command, limit_s)
    (request.records / f"{step.name}.txt").write_text(answer.output, encoding="utf-8")
    if answer.code is None:
        return Outcome(CUT_OFF, took, arguments)
    ratios = [line for line in answer.output.splitlines() if "ratio" in line]
    line = ratios[-1] if ratios else answer.last_line
    return Outcome(FAILED if answer.code else ENDED, f"{took}: {line}", arguments)


def _run(
    session: Session, kind: str, command: list[str], limit_s: float, silence_s: float = float("inf")
) -> tuple[Answer, str]:
    began = session.now()
    answer = session.run(kind, command, limit_s, silence_s)
    return answer, f"after {session.now() - began:.0f} s"


ACTIONS: dict[str, Callable[[Session, Step, Request], Outcome]] = {
    "sweep": run_sweep,
    "tests": run_tests,
    "comparison": compare_unets,
}
