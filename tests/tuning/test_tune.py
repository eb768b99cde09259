"""A whole tune with tiny networks: race, final, answer; again, interrupted, and as a preset."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from analysis import load_records
from sd_bench.cli.tune_screen import TuneScreen
from sd_bench.records import find_records
from sd_bench.tuning import processes
from sd_bench.tuning import race as race_module
from sd_bench.tuning.answers import newest_for, read_answer
from sd_bench.tuning.ladder import Ladder, Rung
from sd_bench.tuning.request import Request
from sd_bench.tuning.rows import BASE, FILE, IN, NOT_TRIED, OUT
from sd_bench.tuning.timing_process import TimingProcess
from sd_bench.tuning.tune import Outcome, run_tune
from tests.support.commands import REPOSITORY, run_python
from tests.support.tuning import WORKLOAD

pytestmark = pytest.mark.slow

CONVOLUTION = "optimizations.channels_last=true"
LADDER = Ladder(
    rungs=(
        Rung(("precision=bf16",)),
        Rung(("optimizations.cuda_graph=true",)),
        Rung(("attention.disable_flash=false",)),  # the default
        Rung((CONVOLUTION,)),
        Rung(("attention=math",)),
        Rung(("allocator=default",)),
    ),
    workload=("sampler.steps=4",),
)
#: As diffusers has it documented it compiles for minutes: not here.
TYPED = (
    "compile=off",
    *WORKLOAD, "protocol.rounds=1", "protocol.worker=fork", "telemetry=false",
)  # fmt: skip


def tune(folder: Path, screen: TuneScreen, ladder: Ladder = LADDER) -> Outcome:
    request = Request(overrides=TYPED, budget_s=300)
    try:
        return run_tune(request, screen, root=folder / "tune", ladder=ladder)
    finally:
        screen.stop()


def make_screen() -> tuple[TuneScreen, io.StringIO]:
    text = io.StringIO()
    return TuneScreen(Console(file=text, width=100)), text


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TimingProcess]:
    """The processes in the order of their turns. That of ``attention=math`` is killed in its second
    one, and a fourth process would find no memory."""
    begin, begun = TimingProcess.time, list[TimingProcess]()

    def time(process: TimingProcess, calls: int, limit_s: float) -> float:
        begun.append(process)
        if process.label == "attention=math" and begun.count(process) == 2:
            os.kill(process.pid, signal.SIGKILL)
        return begin(process, calls, limit_s)

    free = iter([10**12, 10**12])
    monkeypatch.setattr(TimingProcess, "time", time)
    monkeypatch.setattr(race_module, "_TURN_S", 0.02)
    monkeypatch.setattr(processes, "free_bytes", lambda: next(free, 10**6))
    return begun


def test_from_race_to_answer_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[TimingProcess]
) -> None:
    screen, text = make_screen()
    first = tune(tmp_path, screen)
    screen.answered(first)
    printed = " ".join(text.getvalue().split())

    rows = {row.label: row for row in first.rows}
    assert rows["default"].status == BASE
    assert rows["precision=bf16"].reason == "set on the command line: precision"
    assert "needs an NVIDIA GPU" in rows["optimizations.cuda_graph=true"].reason
    assert rows["attention=math"].status == "crashed"
    timed = rows[CONVOLUTION]
    assert timed.status in (IN, OUT)
    assert 6 <= len(timed.units) <= 16
    assert timed.score is not None
    late = first.rows[-1]
    assert (late.status, late.overrides[-1]) == (NOT_TRIED, "allocator=default")
    assert "GB of memory, but only 0.0 GB are free" in late.reason
    assert len(first.rows) == 6
    # in turn: while three live, each is timed once in every three
    assert len(set(asked[:3])) == len(set(asked[3:6])) == 3
    assert not any(process.is_alive for process in set(asked))

    finalists = [f.candidate.overrides for f in first.lined_up.finalists]
    assert sorted(finalists) == [(), (CONVOLUTION,)]
    assert first.lined_up.rounds == 1
    assert not first.final.failed
    (versus,) = first.final.versus
    assert versus.word == "too few rounds"  # nothing is claimed
    assert "is undecided" in printed or "Keep the defaults" in printed
    assert "No verdict on" in printed
    assert "another choice may be the fastest" in printed
    assert "sd2_tiny at 64x64 pixels, batch size 1" in printed
    assert "def tuned(pipe):" in printed

    folder = first.path.parent
    assert len(list(find_records(folder))) == 2
    table = load_records(folder)  # the final's rounds, and nothing of the race
    assert len(table) == 2
    assert (folder / FILE).is_file()
    answer = read_answer(first.path)
    assert answer == first.answer
    place = {name: answer.machine[name] for name in ("device", "processors")}
    assert newest_for(answer.workload, place, tmp_path / "tune") == answer
    assert newest_for({**answer.workload, "batch_size": 2}, place, tmp_path / "tune") is None
    assert newest_for(answer.workload, {**place, "device": "x"}, tmp_path / "tune") is None

    monkeypatch.setattr(processes, "TimingProcess", None)  # no candidate is timed again
    screen, text = make_screen()
    second = tune(tmp_path, screen, replace(LADDER, rungs=LADDER.rungs[:-1]))
    assert second.path == first.path
    assert second.rows == first.rows[:-1]
    assert second.answer.compared == first.answer.compared
    assert "candidate(s) known from an earlier tune" in text.getvalue()
    assert len(list(find_records(folder))) == 2


def test_ctrl_c_gives_the_best_so_far(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sd_bench", "tune", *TYPED, "budget=200s"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("default: default"):
            process.send_signal(signal.SIGINT)
            break
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "best so far, without a verdict: default" in " ".join(out.split())
    assert " tune compile=off " in out.splitlines()[-1]
    assert list(tmp_path.glob("multirun_outputs/tune/*/screening.json"))
    assert not list(tmp_path.glob("multirun_outputs/tune/*/answer.json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["budget=1s", *TYPED], "budget too small"),
        (
            [*TYPED, "workload.height=2097152", "workload.width=2097152"],
            "batch size 1, default: does not fit into memory",
        ),
        (["frobnicate=1", *TYPED], "frobnicate"),
        (["start_from=none.json", *TYPED], "none.json"),
        (["preset=tuned"], "is what a tune finds"),
        (["gpu=h100"], "gpu=h100"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: Sequence[str], words: str) -> None:
    done = run_python(
        "-m", "sd_bench", "tune", *arguments, folder=tmp_path, timeout=60,
        environment={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("multirun_outputs/tune/*"))


def test_its_help_names_its_options(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sd_bench", "tune", "--help"], cwd=REPOSITORY, text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    for word in ("budget=10min", "images=1000", "start_from=FILE", "--write FILE", "preset=tuned"):
        assert word in done.stdout
