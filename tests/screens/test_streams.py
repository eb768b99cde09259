"""Output that nobody can take ends no command, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sd_bench.records import find_records, read_record
from tests.support.commands import REPOSITORY, SMOKE
from tests.support.records import write_sweep

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")


def in_a_shell(folder: Path, module: str, *arguments: str, end: str) -> tuple[int, str]:
    """The exit code and stderr of a command whose redirection is ``end``."""
    done = subprocess.run(
        ["bash", "-c", f'"$@" {end}', "bash", sys.executable, "-m", module, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=200,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["--version", "--help"])
def test_a_closed_stdout_is_no_error(tmp_path: Path, asked: str) -> None:
    assert in_a_shell(tmp_path, "sd_bench", asked, end=">&-") == (0, "")


@needs_full
@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "asked"),
    [("sd_bench", "--help"), ("analysis", "--help"), ("sd_bench.environments", "--help")],
)
def test_a_stdout_that_is_full_is_one_line(tmp_path: Path, module: str, asked: str) -> None:
    code, errors = in_a_shell(tmp_path, module, asked, end="> /dev/full")
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("stdout: No space left on device; the rest of the output is dropped")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param("> /dev/full", 2, marks=needs_full),
        (">&-", 0),
        ("<&- >&- 2>&-", 0),
    ],
)
def test_a_sweep_that_nobody_can_read_is_measured(tmp_path: Path, end: str, code: int) -> None:
    arguments = (*SMOKE, "attention=original,math", "-m", "hydra.sweep.dir=sweep")
    ended, errors = in_a_shell(tmp_path, "sd_bench", *arguments, end=end)
    assert "Traceback" not in errors
    assert ended == code
    assert [read_record(path).status for path in find_records(tmp_path / "sweep")] == ["ok", "ok"]
    ended, errors = in_a_shell(tmp_path, "analysis", "sweep", end=end)
    assert "Traceback" not in errors
    assert ended == code
    assert (tmp_path / "sweep" / "analysis" / "report.html").is_file()


@needs_full
@pytest.mark.slow
def test_a_gate_keeps_its_exit_code(tmp_path: Path) -> None:
    """1 and 3 mean more than lost output does."""
    write_sweep(tmp_path / "old", {(1, "flash"): [1.0 + n / 1000 for n in range(8)]})
    write_sweep(tmp_path / "new", {(1, "flash"): [2.0 + n / 1000 for n in range(8)]})
    arguments = ("compare", "old", "new", "--fail-if", "slower")
    assert in_a_shell(tmp_path, "analysis", *arguments, end="")[0] == 1
    assert in_a_shell(tmp_path, "analysis", *arguments, end="> /dev/full")[0] == 1
