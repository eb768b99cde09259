"""Estimates when each step of a call of run.py would finish, without a GPU.

run.py itself runs: with a fake nvidia-smi and NVML it finds an H100, and sd_bench plans every sweep
for it. The rounds then run on this processor, with tiny networks; what needs CUDA leaves an
`unsupported` record. The clock is simulated: each round takes the time that cost_model.py estimates
for the H100, and rounds that do not fit are removed, as if they had been cut off. Tests, charts and
the comparison with diffusers only advance the clock.

    python benchmarks/gpu/rehearse.py [--time-limit 540] [--minutes 3 6 9] [--without-rounds]
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import run  # noqa: E402
from cost_model import COMMANDS_S, LAUNCHER_S, PYTHON_S, round_s  # noqa: E402
from notebook import NOTEBOOK, Notebook  # noqa: E402
from session import Answer, Session  # noqa: E402
from steps import STEPS, arguments_of, cells_of, expanded  # noqa: E402

from sd_bench.capabilities.composition import compose_config  # noqa: E402
from sd_bench.execution.cell import Cell  # noqa: E402
from sd_bench.execution.plan import make_plan  # noqa: E402
from sd_bench.execution.schedule import shuffle_round  # noqa: E402
from sd_bench.records import read_record  # noqa: E402
from tests.support.machines import H100_SXM, set_up  # noqa: E402

MACHINES = {"h100": H100_SXM}


@dataclass(frozen=True, slots=True)
class Finished:
    """A round, or a whole command, and the simulated second at which it is done."""

    at_s: float
    step: str
    what: str
    status: str = ""

    def __str__(self) -> str:
        status = f", {self.status} here" if self.status else ""
        return f"{self.what} ({self.at_s:.0f} s{status})"


class Rehearsal(Session):
    """A session with a simulated clock, whose sweeps run on the local processor."""

    def __init__(self, log: BinaryIO, environment: Mapping[str, str], limit_s: float) -> None:
        self._now_s = 0.0
        super().__init__(log, environment, limit_s)
        self.began = -PYTHON_S - COMMANDS_S["wheels"]
        self.finished: list[Finished] = []
        self.without_rounds = False
        self._workers = 0

    def now(self) -> float:
        return self._now_s

    def run(
        self, kind: str, command: Sequence[str], limit_s: float, silence_s: float = math.inf
    ) -> Answer:
        if kind == "dry run":
            answer = super().run(kind, command, limit_s)
            self._now_s += COMMANDS_S[kind]
            return answer
        if kind == "sweep":
            return self._sweep(command, limit_s)
        cost_s = COMMANDS_S[kind]
        self._now_s += min(cost_s, limit_s)
        if cost_s > limit_s:
            return Answer(None, "")
        self.finished.append(Finished(self.elapsed_s, kind, "done"))
        return Answer(0, "rehearsed only")

    def _sweep(self, command: Sequence[str], limit_s: float) -> Answer:
        """Run on the local processor the rounds that would fit on the H100."""
        folder = Path(command[-1].partition("=")[2])
        rounds = self._planned(folder.name)
        fitting, spent_s = [], LAUNCHER_S
        for label, place, cost_s in rounds:
            if spent_s + cost_s > limit_s:
                break
            spent_s += cost_s
            fitting.append((label, folder.joinpath(*place), self.elapsed_s + spent_s))
        answer = Answer(0, "")
        if fitting and not self.without_rounds:
            answer = super().run("sweep", _on_processor(command, folder), math.inf)
        for label, record, at_s in fitting:
            status = "" if self.without_rounds else read_record(record).status
            self.finished.append(Finished(at_s, folder.name, label, status))
        if len(fitting) == len(rounds):
            self._now_s += spent_s
            return answer
        self._now_s += limit_s
        late = [folder.joinpath(*place) for _, place, _ in rounds[len(fitting) :]]
        for record in late:
            record.unlink(missing_ok=True)
        late[0].parent.mkdir(parents=True, exist_ok=True)
        late[0].with_suffix(".log").touch()  # as a killed worker leaves it
        return Answer(None, answer.output)

    def _planned(self, name: str) -> list[tuple[str, tuple[str, str], float]]:
        """Label, record and cost of each round that the H100 would run, in order."""
        (step,) = (step for step in STEPS if step.name == name)
        arguments = arguments_of(step, "cuda")
        labels = cells_of(arguments)
        configs = [compose_config(*cell) for cell in expanded(arguments)]
        plan = make_plan(
            [
                Cell(config=c, index=i, label=labels[i], folder=Path(), sweep_folder=Path())
                for i, c in enumerate(configs)
            ]
        )
        rounds = []
        wanted = [planned.rounds or 1 for planned in plan]
        for round_index in range(max(wanted)):
            left = [index for index, count in enumerate(wanted) if round_index < count]
            for index in shuffle_round(plan, round_index, left):
                cost_s = 0.0
                if plan[index].reason is None:
                    cost_s = round_s(configs[index], is_first=self._workers == 0)
                    self._workers += 1
                rounds.append((labels[index], (str(index), f"round-{round_index}.json"), cost_s))
        return rounds


def _on_processor(command: Sequence[str], folder: Path) -> list[str]:
    """A sweep's command with the arguments of a trial on the local processor."""
    (step,) = (step for step in STEPS if step.name == folder.name)
    program = command[: command.index("-m", 2) + 1]
    of_folder = [a for a in command if a.startswith(("hydra.sweep.dir=", "resume="))]
    return [*program, *arguments_of(step, "cpu"), *of_folder]


def main() -> int:
    """Rehearse a call, print what is finished by when, and return run.py's exit code."""
    options = _parser().parse_args()
    sessions: list[Rehearsal] = []

    def begin(log: BinaryIO, environment: Mapping[str, str], limit_s: float) -> Rehearsal:
        sessions.append(Rehearsal(log, environment, limit_s))
        sessions[0].without_rounds = options.without_rounds
        return sessions[0]

    with TemporaryDirectory(prefix="sd_bench-rehearsal-") as folder:
        os.environ.update(set_up(MACHINES[options.machine], Path(folder) / "machine"))
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        sys.path.insert(0, str(Path(folder) / "machine"))
        out = Path(folder) / "out"
        arguments = ["--out", str(out), "--time-limit", f"{options.time_limit:g}"]
        arguments += [
            "--wheels",
            str(Path(folder) / "none"),
        ]  # the estimate includes installing them
        with redirect_stdout(io.StringIO()):  # it would show tiny networks under an H100's name
            code = run.main(arguments, begin)
        if code == run.EXIT_USAGE:
            return code
        notebook = Notebook.read((out / "records" / NOTEBOOK).read_text(encoding="utf-8"))
    print("Simulated, by the estimates of cost_model.py; nothing here was measured.\n")
    print("| minute | finished |\n| --- | --- |")
    for minute in options.minutes:
        print(f"| {minute:g} | {by_step(sessions[0].finished, 60 * minute)} |")
    print("\n| step | outcome |\n| --- | --- |")
    for name, outcome in notebook.outcomes.items():
        print(f"| {name} | {outcome} |")
    return code


def by_step(finished: Sequence[Finished], until_s: float) -> str:
    """What is finished by then, step by step, and when."""
    steps: dict[str, list[str]] = {}
    for each in finished:
        if each.at_s <= until_s:
            steps.setdefault(each.step, []).append(str(each))
    return "; ".join(f"{step}: {', '.join(done)}" for step, done in steps.items()) or "nothing"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--machine", choices=MACHINES, default="h100")
    add("--time-limit", type=float, default=run.LIMIT_S, metavar="SECONDS")
    add("--minutes", type=float, nargs="+", default=[3, 6, 9])
    add("--without-rounds", action="store_true", help="run nothing but the dry run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
