"""Unusual folders: of the same second, links, read-only, deleted while a sweep runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hydra_plugins.sd_bench_launcher import make_own_folder
from sd_bench.records import find_records
from tests.support.commands import REPOSITORY, SMOKE

CELL = (*SMOKE, "attention=original")


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sd_bench", *CELL, *arguments],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def refused(folder: Path, *arguments: str) -> str:
    """The single line with which a command is refused."""
    done = begin(folder, *arguments)
    _, errors = done.communicate(timeout=120)
    assert done.returncode == 2, errors
    assert errors.count("\n") == 1
    return errors


@pytest.mark.slow
def test_three_sweeps_of_one_moment_are_three_sweeps(tmp_path: Path) -> None:
    """The folder is named by the year instead of the second, so that all three names collide."""
    running = [begin(tmp_path, "hydra.sweep.dir=own/${now:%Y}") for _ in range(3)]
    for each in running:
        _, errors = each.communicate(timeout=200)
        assert (each.returncode, errors) == (0, "")
    year = time.strftime("%Y")
    names = {path.name for path in (tmp_path / "own").iterdir()}
    assert names == {year, f"{year}-2", f"{year}-3"}
    assert len(list(find_records(tmp_path / "own"))) == 3
    for name in names:
        assert (tmp_path / "own" / name / "0" / "round-0.json").exists()
        assert f"own/{name}" in (tmp_path / "own" / name / "multirun.yaml").read_text()


def test_each_of_many_gets_its_own_folder(tmp_path: Path) -> None:
    made: list[Path] = []

    def make() -> None:
        made.append(make_own_folder(tmp_path / "2026-11-27" / "10-00-00"))

    threads = [threading.Thread(target=make) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 12
    assert all(folder.is_dir() for folder in made)


@pytest.mark.slow
def test_what_is_in_the_way_of_a_new_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "multirun_outputs").symlink_to("nowhere")
    assert "is a link to nowhere, which does not exist; make that folder" in refused(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert "Too many levels of symbolic links, or name" in refused(
        tmp_path, "hydra.sweep.dir=loop/x"
    )
    (tmp_path / "file").touch()
    assert "is a file, not a folder; rename it" in refused(tmp_path, "hydra.sweep.dir=file")


@pytest.mark.slow
def test_a_link_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    done = begin(tmp_path, "hydra.sweep.dir=link")
    _, errors = done.communicate(timeout=120)
    assert done.returncode == 0, errors
    assert (tmp_path / "disk" / "0" / "round-0.json").exists()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a read-only mount needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_read_only_folder_is_one_line(read_only: Path, tmp_path: Path) -> None:
    words = "Read-only file system; make it writable, or name another place (hydra.sweep.dir="
    assert words in refused(read_only)
    assert words in refused(tmp_path, f"hydra.sweep.dir={read_only}/x")


@pytest.mark.slow
def test_a_dry_run_or_a_refusal_leaves_nothing_above_other_sweeps(tmp_path: Path) -> None:
    (tmp_path / "sweeps" / "yesterday").mkdir(parents=True)
    (tmp_path / "sweeps" / "yesterday" / ".lock").touch()
    done = begin(tmp_path, "hydra.sweep.dir=sweeps", "dry_run=true")
    done.communicate(timeout=120)
    assert done.returncode == 0
    refused(tmp_path, "hydra.sweep.dir=sweeps", "gpu=no_such_gpu")
    refused(tmp_path, "hydra.sweep.dir=sweeps", "workload.batch_size=0", "-m")
    assert [path.name for path in (tmp_path / "sweeps").iterdir()] == ["yesterday"]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/below"])
def test_a_device_is_not_a_folder(tmp_path: Path, place: str) -> None:
    assert "/dev/null: is not a folder" in refused(tmp_path, f"hydra.sweep.dir={place}")


@pytest.mark.slow
@pytest.mark.parametrize("length", [300, 5000])
def test_a_name_that_is_too_long_is_one_line(tmp_path: Path, length: int) -> None:
    assert "too long" in refused(tmp_path, f"hydra.sweep.dir={'x' * length}")
    assert "x" * 20 in refused(tmp_path, f"torch_env={'x' * length}")


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [".", "0"])
def test_a_folder_that_is_deleted_while_a_sweep_runs_is_named(tmp_path: Path, deleted: str) -> None:
    sweep = tmp_path / "sweep"
    running = begin(tmp_path, f"hydra.sweep.dir={sweep}", "protocol.rounds=9")
    deadline = time.monotonic() + 100
    while not (sweep / "0" / "round-0.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    gone = (sweep / deleted).rename(tmp_path / "gone")  # in one step, not file by file
    shutil.rmtree(gone)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 2, errors
    path = sweep if deleted == "." else sweep / "0"
    assert errors.startswith(
        f"sd_bench: {path}: cannot be created, or was deleted during the sweep"
    )
    assert errors.count("\n") == 1
    assert "full" not in errors
