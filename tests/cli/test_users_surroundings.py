"""A user's working folder and variables never change a round silently."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sd_bench.measurement.printing import PRINTED
from sd_bench.records import read_record
from tests.support.commands import REPOSITORY, SMOKE, Command

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("content", ["", "raise RuntimeError('not for you')\n", "x = 1\n"])
def test_a_package_hydra_plugins_in_the_working_folder_does_no_harm(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "__init__.py").write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "sd_bench", *SMOKE, "attention=math", "dry_run=true"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 round(s) to run" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hydra_plugins"]


@pytest.mark.parametrize(
    "typed", ["+hydra.job.env_set.OMP_NUM_THREADS=1", "++hydra.job.env_set={OMP_NUM_THREADS: 1}"]
)
def test_variables_that_no_round_would_get_are_refused(
    command: Command, tmp_path: Path, typed: str
) -> None:
    done = command(*SMOKE, typed)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "write OMP_NUM_THREADS=1 before the command" in line
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    "typed", ["hydra.job.env_set.OMP_NUM_THREADS=1", "hydra.job.env_set={OMP_NUM_THREADS: 1}"]
)
def test_variables_that_hydra_itself_refuses_are_refused_for_the_same_reason(
    command: Command, typed: str
) -> None:
    done = command(*SMOKE, typed)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "write NAME=VALUE before the command" in line


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("hydra.job.env_copy=[NO_SUCH_VARIABLE]", "there is no environment variable NO_SUCH"),
        ("hydra.run.dir=elsewhere", "write hydra.sweep.dir=FOLDER"),
        ("++hydra.run.dir=elsewhere", "write hydra.sweep.dir=FOLDER"),
        ("=", "write NAME=VALUE"),
    ],
)
def test_what_hydra_would_ignore_or_end_with_is_one_line(
    command: Command, tmp_path: Path, typed: str, words: str
) -> None:
    done = command(*SMOKE, typed)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line
    assert not (tmp_path / "sweep").exists()


def test_what_prints_inside_an_iteration_flags_it_and_the_log_is_kept(
    command: Command, tmp_path: Path
) -> None:
    done = command(*SMOKE, "attention=math", ONEDNN_VERBOSE="1")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "sweep").rglob("round-0.json")
    times = read_record(path).times
    assert times is not None
    assert all(PRINTED in iteration.flags for iteration in times.iterations)
    log = path.with_suffix(".log").read_text()
    assert "onednn_verbose" in log
