"""benchmarks/gpu: the whole call, tried on the CPU with tiny networks, and what it would fetch."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.runnable import needs_cpu_flash

GPU_DIR = Path(__file__).parents[2] / "benchmarks" / "gpu"


def run_script(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GPU_DIR / "run.py"), "--device", "cpu", "--out", str(out)]
    command += ["--wheels", str(out / "none"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def rows(summary: str) -> list[dict[str, str]]:
    """The last table of the summary, a dict a cell."""
    table = summary.rpartition("\n\n")[2].strip().splitlines()
    head, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table)
    return [dict(zip(head, line, strict=True)) for line in lines]


def members(out: Path) -> dict[str, bytes]:
    with tarfile.open(out / "records.tar.gz") as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: stream.read() for name, stream in files.items() if stream is not None}


@needs_cpu_flash
def test_a_call_leaves_a_summary_and_an_archive_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = run_script(out, "--only", "backends", "--extra", "protocol=smoke")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {file.name for file in out.iterdir()} == {"log.txt", "records.tar.gz", "summary.md"}

    summary = (out / "summary.md").read_text()
    assert answer.stdout.endswith(summary)
    assert "| backends | ended after" in summary
    assert "| charts | drawn |" in summary
    assert "torch" in summary
    assert "| tests | " in summary
    assert "failed" not in summary
    cells = {row["attention"]: row for row in rows(summary)}
    assert set(cells) == {"mem_efficient", "cudnn", "xformers", "original"}
    assert cells["cudnn"]["status"] == "unsupported"
    assert cells["cudnn"]["reason"] == "this attention backend needs a CUDA device"
    original = cells["original"]
    assert (original["status"], original["kernel proof"]) == ("ok", "proven")
    assert "64 matrix products" in original["detail"]
    assert original["model"] == "sd2_tiny"

    files = members(out)
    assert files["summary.md"].decode() == summary
    records = [json.loads(text) for name, text in files.items() if name.endswith(".json")]
    assert {record["choices"]["attention"] for record in records} == set(cells)
    assert sum(name.endswith("-latents.npy") for name in files) == 1
    assert any(name.startswith("analysis/") and name.endswith(".png") for name in files)
    assert not any("image" in name for name in files)
    (runtime,) = (
        record["times"]["iterations"][0]["total_s"] for record in records if record["times"]
    )
    assert float(original["runtime (s)"]) == pytest.approx(runtime, abs=5e-4)
    assert float(original["images/s"]) == pytest.approx(1 / runtime, rel=1e-2)


@needs_cpu_flash
def test_a_limit_that_runs_out_midway_is_kept_and_loses_no_finished_record(tmp_path: Path) -> None:
    out, limit_s = tmp_path / "out", 22
    began = time.monotonic()
    answer = run_script(
        out, "--skip-tests", "--only", "main", "sd1", "--time-limit", str(limit_s),
        "--extra", "protocol.rounds=50",
    )  # fmt: skip
    assert time.monotonic() - began < limit_s + 3
    assert answer.returncode == 0, answer.stdout + answer.stderr
    summary = (out / "summary.md").read_text()
    assert "| main | cut off after" in summary
    assert "| sd1 | not started: no time left |" in summary
    cells = rows(summary)
    assert cells
    assert {cell["status"] for cell in cells} == {"ok"}
    kept = [name for name in members(out) if name.endswith(".json")]
    assert len(kept) == sum(int(cell["rounds"]) for cell in cells)


def test_without_a_device_it_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    answer = run_script(tmp_path / "out", "--device", "cuda")
    assert answer.returncode == 2
    assert answer.stderr.startswith("run.py: no CUDA device here")
    assert len(answer.stderr.splitlines()) == 1


@pytest.fixture
def fetch_wheels(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("tomllib", reason="fetch_wheels.py needs Python 3.11")
    monkeypatch.syspath_prepend(str(GPU_DIR))
    return importlib.import_module("fetch_wheels")


def make_wheel(folder: Path, name: str, version: str, *requires: str) -> Path:
    """A wheel with nothing in it but its requirements."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n")
    return file


def test_what_is_there_already_or_not_for_this_machine_is_not_fetched(
    fetch_wheels: ModuleType,
) -> None:
    found = fetch_wheels.lacking(
        [
            "torch>=2", "Hydra_Core<1.4", "dataclasses; python_version < '3.7'",
            "pywin32; sys_platform == 'win32'", "ray; extra == 'all'", "ftfy",
        ],
        frozenset({"torch", "omegaconf"}),
        "3.12",
    )  # fmt: skip
    assert [str(requirement) for requirement in found] == ["Hydra_Core<1.4", "ftfy"]


def test_the_bounds_are_those_of_the_project(fetch_wheels: ModuleType) -> None:
    tomllib = importlib.import_module("tomllib")
    project = tomllib.loads(fetch_wheels.PYPROJECT.read_text())["project"]
    found = fetch_wheels.lacking(
        fetch_wheels.wanted(project, with_xformers=True), fetch_wheels.PRESENT, "3.12"
    )
    names = {requirement.name: str(requirement.specifier) for requirement in found}
    assert set(names) == {
        "open_clip_torch", "hydra-core", "omegaconf", "xformers", "scipy", "nvidia-ml-py",
    }  # fmt: skip
    assert "<1.4" in names["hydra-core"]
    assert not any("xformers" in text for text in fetch_wheels.wanted(project, with_xformers=False))


def test_what_a_wheel_requires_is_fetched_too(fetch_wheels: ModuleType, tmp_path: Path) -> None:
    shelf: Mapping[str, Path] = {
        "hydra-core": make_wheel(tmp_path, "hydra_core", "1.3.8", "omegaconf<2.4", "antlr4==4.9.*"),
        "omegaconf": make_wheel(tmp_path, "omegaconf", "2.3.1", "antlr4==4.9.*", "PyYAML>=5"),
        "antlr4": make_wheel(tmp_path, "antlr4", "4.9.3"),
    }
    wheels = fetch_wheels.collect(
        ["hydra-core>=1.3"], lambda r: shelf[r.name], frozenset({"pyyaml"}), "3.12"
    )
    assert {wheel.name.partition("-")[0] for wheel in wheels} == {
        "hydra_core", "omegaconf", "antlr4",
    }  # fmt: skip


def test_one_wheel_has_to_do_for_all_that_require_it(
    fetch_wheels: ModuleType, tmp_path: Path
) -> None:
    shelf = {
        "a": make_wheel(tmp_path, "a", "1.0", "c<2"),
        "b": make_wheel(tmp_path, "b", "1.0", "c>=2"),
        "c": make_wheel(tmp_path, "c", "1.9"),
    }
    with pytest.raises(fetch_wheels.FetchError, match="c>=2"):
        fetch_wheels.collect(["a", "b"], lambda r: shelf[r.name], frozenset(), "3.12")


def test_a_wheel_for_another_torch_gives_way_to_an_older_one(
    fetch_wheels: ModuleType, tmp_path: Path
) -> None:
    pins = {"0.0.36": "torch==2.12.0", "0.0.35": "torch>=2.10", "0.0.33": "torch==2.9.1"}

    def newest(requirement: Any) -> Path:
        version = next(v for v in pins if requirement.specifier.contains(v))
        return make_wheel(tmp_path, "xformers", version, pins[version], "numpy")

    for torch, version in (("2.12", "0.0.36"), ("2.11.0+cu130", "0.0.35"), ("2.9.1", "0.0.33")):
        wheel = fetch_wheels.fitting(
            fetch_wheels.Requirement("xformers"), fetch_wheels.Version(torch), newest
        )
        assert fetch_wheels.wheel_version(wheel) == fetch_wheels.Version(version)


def test_what_cannot_be_had_is_one_line_and_leaves_the_old_wheels(
    fetch_wheels: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = make_wheel(tmp_path, "old", "1.0")
    said = "WARNING: slow\nERROR: Could not find\nERROR: No matching distribution found for it\n"
    answer = SimpleNamespace(returncode=1, stderr=said)
    monkeypatch.setattr(fetch_wheels.subprocess, "run", lambda *_, **__: answer)
    assert fetch_wheels.main(["--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fetch_wheels: ")
    assert line.endswith("No matching distribution found for it")
    assert old.exists()


def test_too_many_bytes_are_refused(
    fetch_wheels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fetch_wheels, "fetch_wheel", lambda r, _, folder: make_wheel(folder, "it", "1.4")
    )
    monkeypatch.setattr(fetch_wheels, "LIMIT_MIB", 1e-6)
    options = fetch_wheels._parser().parse_args(["--out", str(tmp_path / "wheels")])
    with pytest.raises(fetch_wheels.FetchError, match="--no-xformers"):
        fetch_wheels.fill(options)
    assert not (tmp_path / "wheels").exists()
