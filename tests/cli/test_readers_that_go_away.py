"""Output into a pipe whose reader has gone (``| head``): the work is done without any message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.records import write_main_sweep

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def run_for_nobody(folder: Path, *words: str, variables: dict[str, str]) -> tuple[int, str]:
    """The exit code and the output on stderr if the reader of stdout has already gone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **variables},
        )  # fmt: skip
    finally:
        os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        "sd_bench --help", "sd_bench --version", "sd_bench --cfg job gpu=cpu", "analysis --help",
        "sd_bench -m dry_run=true gpu=cpu model_version=sd2_tiny attention=math,original",
    ],
)  # fmt: skip
def test_what_is_only_shown_ends_well(tmp_path: Path, words: str, unbuffered: str) -> None:
    variables = {"PYTHONUNBUFFERED": unbuffered}
    assert run_for_nobody(tmp_path, *words.split(), variables=variables) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_the_analysis_has_written_its_files(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    words = ("analysis", ".", "--most-charts", "0", "--verbose")
    assert run_for_nobody(tmp_path, *words, variables={}) == (0, "")
    for name in ("report.html", "report.md", "delta.csv", "summary.csv"):
        assert (tmp_path / "analysis" / name).stat().st_size > 0


def test_the_gate_gives_its_own_exit_code(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    gate = ("analysis", "compare", ".", ".", "--fail-if", "unclear", "slower", "--out", "out.md")
    code, errors = run_for_nobody(tmp_path, *gate, variables={})
    heard = subprocess.run(
        [sys.executable, "-m", *gate], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert heard.stdout
    assert (code, errors) == (heard.returncode, heard.stderr)
    assert (tmp_path / "out.md").read_text() == heard.stdout
