"""benchmarks/gpu: what ends a command, how that is reported, and where results may go."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from actions import ACTIONS, Request, under_way
from machine import hold_gpu
from notebook import CUT_OFF, ENDED, FAILED, NOTEBOOK, Notebook, Outcome
from places import find_places
from session import STOPPING_S, Answer, Session, SetupError
from steps import STEPS, Step, arguments_of, cells_of

from tests.support import fake_pynvml
from tests.support.machines import H100_SXM, set_up

TESTS = next(step for step in STEPS if step.kind == "tests")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with (tmp_path / "log").open("w+b", buffering=0) as log:
        yield Session(log, {}, 60)


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@pytest.mark.slow
def test_a_command_ends_by_itself_or_at_its_limit_or_when_it_is_silent(session: Session) -> None:
    answer = session.run("one", python("print('done'); raise SystemExit(3)"), 30)
    assert answer == Answer(3, "done\n")
    slow = python("import time\nwhile True: print('.', flush=True); time.sleep(0.05)")
    began = time.monotonic()
    cut_off = session.run("two", slow, 1.0, silence_s=30)
    assert time.monotonic() - began < 1.0 + STOPPING_S + 5
    assert (cut_off.code, cut_off.silent) == (None, False)
    silent = session.run("three", python("print('x'); import time; time.sleep(60)"), 50, 1.0)
    assert (silent.code, silent.silent) == (None, True)
    assert silent.output.startswith("x\n")


def test_the_time_of_a_call_counts_from_the_start_of_its_process(session: Session) -> None:
    assert session.elapsed_s > 0.05  # pytest has been running for longer than that


class Scripted(Session):
    """A session whose commands print and return what the test specifies."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(BytesIO(), {}, math.inf)
        self.answer = answer

    def run(
        self, kind: str, command: Sequence[str], limit_s: float, silence_s: float = math.inf
    ) -> Answer:
        return self.answer


def outcome_of_tests(answer: Answer, records: Path) -> Outcome:
    request = Request(device="cuda", extra=(), records=records)
    return ACTIONS["tests"](Scripted(answer), TESTS, request)


VERBOSE = """\
tests/gpu/test_a.py::test_one PASSED                                [ 25%]
tests/gpu/test_a.py::test_two[flash] FAILED                         [ 50%]
tests/gpu/test_a.py::test_three ERROR                               [ 75%]
"""


def test_failed_tests_are_named(tmp_path: Path) -> None:
    ended = outcome_of_tests(Answer(1, f"{VERBOSE}=== 1 failed in 3 s ==="), tmp_path)
    assert ended.state == FAILED
    failures = ["tests/gpu/test_a.py::test_two[flash]", "tests/gpu/test_a.py::test_three"]
    assert ended.failures == failures


def test_tests_that_are_cut_off_have_not_failed_and_the_one_under_way_is_named(
    tmp_path: Path,
) -> None:
    begun = "tests/gpu/test_a.py::test_one PASSED [ 50%]\ntests/gpu/test_a.py::test_slow "
    cut_off = outcome_of_tests(Answer(None, begun, silent=True), tmp_path)
    assert (cut_off.state, cut_off.failures) == (CUT_OFF, [])
    assert "in tests/gpu/test_a.py::test_slow, silent for" in cut_off.text
    assert "1 test(s) done, 0 failed" in cut_off.text


def test_the_round_under_way_is_named_by_its_cell(tmp_path: Path) -> None:
    for name in ("0/round-0.json", "0/round-0.log", "1/round-0.json", "1/round-1.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    cells = cells_of(["model_version=sd2", "attention=flash,math"])
    assert under_way(tmp_path, cells) == " in round-1, attention=math"


def test_cells_are_counted_as_hydra_counts_them() -> None:
    assert cells_of(["a=1,2", "b=[1,2]", "c=x,y"]) == ["a=1 c=x", "a=1 c=y", "a=2 c=x", "a=2 c=y"]
    assert cells_of(["a=1", "attention=flash"]) == ["attention=flash"]


def test_every_sweep_has_a_limit_for_its_rounds_and_what_compiles_a_longer_one() -> None:
    for step in (step for step in STEPS if step.kind == "sweep"):
        arguments = arguments_of(step, "cuda")
        compiles = any("compile" in a and a != "compile=off" for a in arguments)
        assert f"protocol.time_limit_s={300 if compiles else 150}" in arguments, step.name


def test_the_published_presets_come_first_and_the_tests_after_what_is_published() -> None:
    names = [step.name for step in STEPS]
    assert names[:3] == ["published", "published_compiled", "kernels"]
    assert names.index("published_batch_2") < names.index("tests") < names.index("graphs")


def test_a_step_is_over_only_for_the_same_arguments() -> None:
    notebook = Notebook("now", outcomes={"a": Outcome(ENDED, "", ["x"]), "b": Outcome(CUT_OFF, "")})
    assert notebook.is_over("a", ["x"])
    assert not notebook.is_over("a", ["x", "retry_failed=true"])
    assert notebook.left(["a", "b", "c"]) == ["b", "c"]
    assert Notebook.read(notebook.text()) == notebook


def test_results_go_to_a_new_folder_unless_a_call_is_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fresh = find_places(None, out, None, "2026-12-01T10:00:00+00:00", "h100")
    assert (fresh.out, fresh.records) == (out, out / "records")
    named = find_places(None, None, None, "2026-12-01T10:00:00+00:00", "h100")
    assert named.out.name == "results_h100_2026-12-01"
    (out / "records").mkdir(parents=True)
    (out / "records" / NOTEBOOK).write_text(fresh.notebook.text())
    with pytest.raises(SetupError, match="already holds results"):
        find_places(None, out, None, "2026-12-02", "h100")
    with pytest.raises(SetupError, match="already holds results"):
        find_places(None, tmp_path / "other", out / "records", "2026-12-02", "h100")
    again = find_places(out, None, None, "2026-12-02", "h100")
    assert (again.out, again.records, again.notebook) == (out, out / "records", fresh.notebook)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "summary.md").touch()
    with pytest.raises(SetupError, match="taken: already holds results"):
        find_places(out, tmp_path / "taken", None, "2026-12-02", "h100")


def test_a_step_that_is_not_a_sweep_reports_what_it_lacks(tmp_path: Path) -> None:
    step = Step("unet_vs_diffusers", kind="comparison")
    request = Request(device="cuda", extra=(), records=tmp_path)
    output = "x\nUNet of sd2: ratio 0.9\ntook 3 s\n"
    outcome = ACTIONS["comparison"](Scripted(Answer(0, output)), step, request)
    assert outcome.state == ENDED
    assert "ratio 0.9" in outcome.text or "no diffusers here" in outcome.text


def test_the_gpu_is_held_open_where_nvml_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(H100_SXM, tmp_path)
    monkeypatch.setattr(fake_pynvml, "_BESIDE", tmp_path / "machine.json")
    monkeypatch.setitem(sys.modules, "pynvml", fake_pynvml)
    assert hold_gpu() == "held open through NVML"
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert hold_gpu().startswith("not held open: ModuleNotFoundError")
