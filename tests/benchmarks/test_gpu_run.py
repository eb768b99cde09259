"""benchmarks/gpu/run.py: whole calls, run on the CPU with tiny networks."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.support.runnable import needs_cpu_flash

GPU_DIR = Path(__file__).parents[2] / "benchmarks" / "gpu"
COMMIT = "0123456789abcdef"


def command_for(*arguments: str) -> list[str]:
    command = [sys.executable, str(GPU_DIR / "run.py"), "--device", "cpu"]
    return [*command, "--wheels", str(GPU_DIR / "none"), *arguments]


def run_script(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_for(*arguments), capture_output=True, text=True, timeout=200, cwd=cwd
    )


def rows(summary: str) -> list[dict[str, str]]:
    """The last table of the summary, as a dict per cell."""
    table = summary.rpartition("\n\n")[2].strip().splitlines()
    head, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table)
    return [dict(zip(head, line, strict=True)) for line in lines]


def members(archive: Path) -> dict[str, bytes]:
    """The files of an archive by their path below its single top folder."""
    with tarfile.open(archive) as stream:
        files = {m.name: file.read() for m in stream if (file := stream.extractfile(m)) is not None}
    assert len({name.partition("/")[0] for name in files}) == 1
    return {name.partition("/")[2]: content for name, content in files.items()}


@pytest.mark.slow
@needs_cpu_flash
def test_a_call_takes_the_steps_as_typed_and_leaves_a_summary_an_archive_and_its_records(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    only = ("--only", "tests", "kernels", "unet_vs_diffusers", "--extra", "protocol=smoke")
    answer = run_script("--out", "out", *only, cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {f.name for f in out.iterdir()} == {"log.txt", "records", "records.tar.gz", "summary.md"}

    summary = (out / "summary.md").read_text()
    assert summary in answer.stdout
    steps = ["tests", "kernels", "unet_vs_diffusers", "charts"]
    assert [s for s in steps if f"\n| {s} | ended" in summary] == steps
    assert sorted(steps, key=lambda s: summary.index(f"\n| {s} |")) == steps
    assert "skipped in" in summary
    assert "failed" not in summary
    cells = {row["attention"]: row for row in rows(summary)}
    assert set(cells) == {"flash", "math", "mem_efficient", "cudnn"}
    assert cells["cudnn"]["status"] == "unsupported"
    assert cells["cudnn"]["reason"] == "this attention backend needs a CUDA device"
    math = cells["math"]
    assert (math["status"], math["kernel proof"]) == ("ok", "proven")
    assert math["detail"] == "8 math for 8 modules"
    assert math["model"] == "sd2_tiny"

    files = members(out / "records.tar.gz")
    assert files["summary.md"].decode() == summary
    names = [name for name in files if name.rpartition("/")[2].startswith("round-0.json")]
    records = [json.loads(files[name]) for name in names]
    assert {record["choices"]["attention"] for record in records} == set(cells)
    assert sum(name.endswith("-latents.npy") for name in files) == 2
    assert any(name.startswith("analysis/") and name.endswith(".png") for name in files)
    assert not any("-image-" in name for name in files)
    (runtime,) = (
        record["times"]["iterations"][0]["total_s"]
        for record in records
        if record["choices"]["attention"] == "math"
    )
    assert float(math["runtime (s)"]) == pytest.approx(runtime, abs=5e-4)
    assert records[0]["config"]["protocol"]["time_limit_s"] == 150

    again = run_script("--out", str(out), *only)
    assert again.returncode == 2
    (line,) = again.stderr.splitlines()
    assert "already holds results" in line
    assert (out / "summary.md").read_text() == summary


def has_result(records: Path) -> bool:
    return any(b'"ok"' in file.read_bytes() for file in records.rglob("round-*.json"))


def has_round_under_way(records: Path) -> bool:
    return any(not log.with_suffix(".json").exists() for log in records.rglob("round-*.log"))


@needs_cpu_flash
@pytest.mark.slow
def test_a_call_that_is_ended_keeps_what_is_finished_and_its_archive_goes_on(
    tmp_path: Path,
) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept"
    arguments = ("--only", "kernels", "sd1", "--extra", "protocol=smoke", "sampler.steps=1")
    places = ("--out", str(out), "--records", str(kept))
    with (tmp_path / "output").open("w") as stream:
        call = subprocess.Popen(command_for(*places, *arguments), stdout=stream, stderr=stream)
    deadline = time.monotonic() + 150
    while not (has_result(kept) and has_round_under_way(kept)):
        assert call.poll() is None, (tmp_path / "output").read_text()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    call.send_signal(signal.SIGTERM)
    assert call.wait(30) == 128 + signal.SIGTERM
    output = (tmp_path / "output").read_text()
    assert "run.py: ended by SIGTERM" in output
    summary = (out / "summary.md").read_text()
    assert "| kernels | cut off by SIGTERM in round-" in summary
    before = members(out / "records.tar.gz")
    finished = {name: text for name, text in before.items() if "/round-" in name}
    assert any(name.endswith(".json") for name in finished)
    assert {row["status"] for row in rows(summary)} <= {"ok", "unsupported"}

    (line,) = (line for line in output.splitlines() if line.strip().startswith("here:"))
    typed = shlex.split(line.partition(":")[2])
    assert typed[typed.index("--resume") + 1] == str(kept)
    assert "--device cpu" in line
    assert "--extra protocol=smoke sampler.steps=1" in line

    there = tmp_path / "there"
    resumed = ("--resume", str(out / "records.tar.gz"), "--out", str(there))
    only = ("--only", "kernels", "--extra", "protocol=smoke", "sampler.steps=1")
    answer = run_script(*resumed, *only)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    after = members(there / "records.tar.gz")
    records = {name for name in finished if name.endswith(".json")}
    assert {name: after[name] for name in records} == {name: finished[name] for name in records}
    cells = {row["attention"]: row["rounds"] for row in rows((there / "summary.md").read_text())}
    assert cells == {"flash": "1", "math": "1", "mem_efficient": "0", "cudnn": "0"}
    assert "earlier calls" in (there / "summary.md").read_text()
    assert (out / "summary.md").read_text() == summary


WRONG = {
    "abc": (("--time-limit", "abc"), "'abc' is not a number of seconds"),
    "nothing left": (("--time-limit", "0"), "'0' is not a number of seconds"),
    "negative": (("--time-limit=-5",), "'-5' is not a number of seconds"),
    "nan": (("--time-limit", "nan"), "'nan' is not a number of seconds"),
    "inf": (("--time-limit", "inf"), "'inf' is not a number of seconds"),
    "no such step": (("--only", "nothing"), "invalid choice: 'nothing'"),
    "no step": (("--only",), "expected at least one argument"),
    "no commit": (("--commit", "HEAD"), "'HEAD' is not a commit"),
    "nothing to go on with": (("--resume", "nowhere"), "nowhere: holds no results"),
    "another file": (("--resume", "other.tar.gz"), "other.tar.gz: does not unpack"),
    "no such value": (("--only", "sd1", "--extra", "nothing=1"), "nothing: there is no such"),
    "no such option": (
        ("--only", "sd1", "--extra", "attention=no"),
        "Could not find 'attention/no",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_request_is_one_line_and_touches_nothing(wrong: str, tmp_path: Path) -> None:
    arguments, words = WRONG[wrong]
    (tmp_path / "other.tar.gz").write_text("not one")
    before = sorted(tmp_path.rglob("*"))
    answer = run_script("--out", str(tmp_path / "out"), *arguments, cwd=tmp_path)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    (line,) = answer.stderr.splitlines()
    assert line.startswith("run.py: ")
    assert words in line
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_device_it_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    answer = run_script("--out", str(tmp_path / "out"), "--device", "cuda")
    assert answer.returncode == 2
    assert answer.stderr.startswith("run.py: no CUDA device here")
    assert len(answer.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@needs_cpu_flash
@pytest.mark.slow
def test_on_a_simulated_h100_the_published_presets_are_done_at_minute_4() -> None:
    """Plans and rounds are real, seconds are cost_model.py's estimates."""
    command = [sys.executable, str(GPU_DIR / "rehearse.py"), "--time-limit", "240"]
    answer = subprocess.run(
        [*command, "--minutes", "1", "4"], capture_output=True, text=True, timeout=250,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert answer.returncode == 3, answer.stdout + answer.stderr
    (first,) = (line for line in answer.stdout.splitlines() if line.startswith("| 1 |"))
    assert "published" not in first  # the first worker reads its libraries from a cold disk
    (fourth,) = (line for line in answer.stdout.splitlines() if line.startswith("| 4 |"))
    for preset in ("original_no_xformers_pt2", "optimized_math", "optimized"):
        (done,) = (part for part in fourth.split("), ") if f"={preset} (" in part)
        assert "ok here" in done
    assert "preset=original_xformers_pt2 (" in fourth
    assert "| published | ended after" in answer.stdout
    cut_off = "| published_compiled | cut off after"
    (line,) = (line for line in answer.stdout.splitlines() if line.startswith(cut_off))
    assert line.endswith("in round-0, preset=optimized_compile |")
    assert "| kernels | not started: no time left |" in answer.stdout
