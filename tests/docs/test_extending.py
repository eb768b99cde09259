"""docs/extending.md: its diffs are applied to a copy of the project, which is then run."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.docs.diffs import read_diffs
from tests.support.commands import REPOSITORY, TINY

DIFFS = read_diffs()
COPIED = ("sd_bench", "analysis", "conf", "hydra_plugins", "tests", "benchmarks", "docs")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def copy_project(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "images", "gpu_replay")
    for name in COPIED:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def apply(diff: str, folder: Path, *options: str) -> None:
    done = subprocess.run(
        ["git", "apply", *options], input=diff, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with every diff of the page."""
    folder = copy_project(tmp_path_factory.mktemp("extended"))
    for diff in DIFFS.values():
        apply(diff, folder)
    return folder


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=250,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("name", DIFFS)
def test_each_diff_applies_to_this_commit_and_away_again(name: str, tmp_path: Path) -> None:
    files = {line[6:] for line in DIFFS[name].splitlines() if line.startswith("--- a/")}
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, tmp_path / file)
    apply(DIFFS[name], tmp_path)
    assert all((tmp_path / f).read_text() != (REPOSITORY / f).read_text() for f in files)
    apply(DIFFS[name], tmp_path, "--reverse")
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")} == files
    assert all((tmp_path / f).read_text() == (REPOSITORY / f).read_text() for f in files)


def test_the_page_walks_through_what_it_promises() -> None:
    assert [*DIFFS] == ["gpu", "attention", "sampler", "chart", "record_field", "experiment"]


@pytest.fixture(scope="module")
def swept(extended: Path) -> Path:
    """A sweep over what the diffs add, with its analysis."""
    folder = extended / "sweep"
    run(
        *(extended, "-m", "sd_bench", "-m", *TINY, "protocol=smoke", "sampler=lms"),
        *("sampler.steps=2", "precision=fp32", "attention=original,sliced"),
        f"hydra.sweep.dir={folder}",
    )
    run(extended, "-m", "analysis", str(folder))
    return folder


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_backend_sampler_and_field_are_measured_and_proven(swept: Path) -> None:
    found = {record["choices"]["attention"]: record for record in map(read_json, rounds(swept))}
    assert found.keys() == {"original", "sliced"}
    for record in found.values():
        assert record["status"] == "ok", record["reason"]
        assert record["kernel_proof"]["proven"]
        assert record["choices"]["sampler"] == "lms"
        assert record["schema_version"] == 1 + read_json(published())["schema_version"]
        assert record["memory"]["num_page_faults"] >= 0
    assert found["sliced"]["kernel_proof"]["detail"] == "32 slices for 32 modules"


def rounds(sweep: Path) -> list[Path]:
    return sorted(sweep.glob("*/round-*.json"))


def published() -> Path:
    return rounds(REPOSITORY / "multirun_outputs" / "results_peers")[0]


@pytest.mark.slow
def test_the_chart_is_drawn_and_the_backend_draws_the_same_picture(swept: Path) -> None:
    assert [*(swept / "analysis").glob("process_life_*.png")]
    lines = (swept / "analysis" / "delta.csv").read_text(encoding="utf-8").splitlines()
    by_attention = {row["attention"]: row for row in csv.DictReader(lines)}
    assert by_attention["sliced"]["parity_ok"] == "True"
    assert float(by_attention["sliced"]["parity"]) < 1e-4


@pytest.mark.slow
def test_gpu_and_experiment_are_options_and_older_records_are_read(extended: Path) -> None:
    refused = run(extended, "-m", "sd_bench", "gpu=rtx_3080", "dry_run=true", code=2)
    assert "gpu=rtx_3080" in refused
    planned = run(extended, "-m", "sd_bench", "experiment=cpu_precision", "dry_run=true")
    assert planned.count(" yes ") == 8  # cells that run here
    peer = ("implementation=diffusers", "attention=sliced", "dry_run=true")
    assert "unsupported" in run(extended, "-m", "sd_bench", *TINY, *peer)
    read = "from pathlib import Path; from sd_bench.records import read_record; "
    read += f"print(read_record(Path({str(published())!r})).memory.num_page_faults)"
    assert run(extended, "-c", read) == "None"


@pytest.mark.slow
def test_the_tests_that_the_diffs_bring_pass(extended: Path) -> None:
    which = ["tests/test_attention_backends.py", "tests/test_devices_table.py"]
    which += ["tests/sampling/test_samplers.py", "tests/analysis/charts/test_colours.py"]
    which += ["tests/networks/test_sliced_attention.py"]
    which += ["tests/analysis/charts/select/test_measures.py", "tests/capabilities/test_devices.py"]
    chosen = "lms or sliced or backend or RTX_3080 or 3080 or life_of_a_process or colour"
    arguments = ("-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-k", chosen, *which)
    assert " passed" in run(extended, *arguments)
