"""The gate of ``compare OLD NEW --fail-if``: exit codes and the line on stderr."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.__main__ import main
from tests.support.commands import REPOSITORY
from tests.support.records import sample_record, write_sample, write_sweep

#: The exit code of the gate, and its output on stderr.
Outcome = tuple[int, str]
Gate = Callable[..., Outcome]


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    """``gate("--fail-if", "slower:5%")`` runs on the sweeps that `write` has written."""

    def run(*arguments: str) -> Outcome:
        code = main(["compare", str(tmp_path / "old"), str(tmp_path / "new"), *arguments])
        error = capsys.readouterr().err
        assert error.count("\n") == (
            code in (1, 2, 3) or ("--allow-undecided" in arguments and bool(error))
        )
        return code, error

    return run


def noisy(mean_s: float, rounds: int, seed: int, spread: float = 0.005) -> list[float]:
    noise = np.random.default_rng(seed).standard_normal(rounds)
    return (mean_s * np.exp(spread * noise)).tolist()


def write(root: Path, slowdown: float, rounds: int = 10, cells: int = 1, **changes: Any) -> None:
    """OLD and NEW with ``cells`` cells each; the first is slower in NEW by ``slowdown``."""
    for name, factor in (("old", 1.0), ("new", 1 + slowdown)):
        seconds = {
            (batch_size, "math"): noisy(
                10.0 * (factor if batch_size == 1 else 1.0), rounds, 10 * batch_size + len(name)
            )
            for batch_size in range(1, cells + 1)
        }
        write_sweep(root / name, seconds, sweep=name, **changes)


@pytest.mark.parametrize(
    ("slowdown", "code"),
    [(-0.2, 0), (0.0, 0), (0.04, 0), (0.05, 3), (0.1, 1), (2.0, 1)],
)
def test_a_slowdown_fails_beyond_what_is_allowed_and_passes_below(
    tmp_path: Path, gate: Gate, slowdown: float, code: int
) -> None:
    write(tmp_path, slowdown, cells=3)
    assert gate("--fail-if", "slower:5%")[0] == code


def test_a_threefold_slowdown_in_three_rounds_does_not_pass(tmp_path: Path, gate: Gate) -> None:
    write(tmp_path, 2.0, rounds=3)
    for condition in ("slower", "slower:5%", "unclear"):
        code, error = gate("--fail-if", condition)
        assert code == 3
        assert "math at batch 1 on cpu (too few rounds, " in error
    assert gate() == (0, "")
    assert gate("--fail-if", "missing", "failed", "different", "unproven") == (0, "")


def test_undecided_is_passed_on_request_and_says_so(tmp_path: Path, gate: Gate) -> None:
    write(tmp_path, 0.047, cells=2)
    code, error = gate("--fail-if", "slower:5%")
    assert code == 3
    assert " longer)" in error
    assert error.startswith("analysis: undecided whether 1 of 2 cells are slower by more than 5 %:")
    assert "rounds in both sweeps would probably decide it" in error
    assert "to pass anyway: --allow-undecided" in error
    code, error = gate("--fail-if", "slower:5%", "--allow-undecided")
    assert code == 0
    assert "passed by --allow-undecided" in error


def test_one_failure_outranks_what_is_undecided(tmp_path: Path, gate: Gate) -> None:
    write(tmp_path, 0.5, cells=2)
    short = {(4, "math"): [40.0, 41.0]}
    for name in ("old", "new"):
        write_sweep(tmp_path / name, short, sweep=name)
    code, error = gate("--fail-if", "slower:5%", "--allow-undecided")
    assert code == 1
    assert error.startswith("analysis: 1 of 3 cells are slower by more than 5 %: math at batch 1")


def test_slower_alone_allows_the_margin(tmp_path: Path, gate: Gate) -> None:
    write(tmp_path, 0.03)
    assert gate("--fail-if", "slower")[0] == 1
    assert gate("--fail-if", "slower", "--margin", "2%")[0] == 1
    assert gate("--fail-if", "slower", "--margin", "5%") == (0, "")


def test_conditions_add_up_however_they_are_given(tmp_path: Path, gate: Gate) -> None:
    write(tmp_path, 0.1, cells=2)
    write_sweep(tmp_path / "old", {(8, "math"): [1.0] * 6}, sweep="old")
    for conditions in (("slower:5%", "missing"), ("slower:5%", "--fail-if", "missing")):
        code, error = gate("--fail-if", *conditions)
        assert code == 1
        assert error.startswith("analysis: 2 of 3 cells are slower by more than 5 % or in OLD and")


@pytest.mark.parametrize("how", ["missing", "failed", "ambiguous"])
def test_what_has_no_interval_is_undecided_for_slower(tmp_path: Path, gate: Gate, how: str) -> None:
    write(tmp_path, 0.0)
    write_sweep(tmp_path / "old", {(8, "math"): [1.0] * 6}, sweep="old")
    if how == "failed":
        oom = sample_record(status="oom", reason="12 GiB", batch_size=8, attention="math")
        write_sample(tmp_path / "new", oom)
    if how == "ambiguous":
        for cell_hash in ("aaa", "bbb"):
            record = sample_record(1.0, batch_size=8, attention="math", cell_hash=cell_hash)
            write_sample(tmp_path / "new" / cell_hash, record)
    code, error = gate("--fail-if", "slower:5%")
    assert code == 3
    assert f"math at batch 8 on cpu ({how})" in error
    assert gate("--fail-if", "different") == (0, "")


def test_a_cell_that_old_does_not_have_cannot_have_become_slower(
    tmp_path: Path, gate: Gate
) -> None:
    write(tmp_path, 0.0)
    write_sweep(tmp_path / "new", {(8, "math"): [1.0] * 6}, sweep="new")
    assert gate("--fail-if", "slower:5%", "unclear") == (0, "")


@pytest.mark.slow
def test_the_more_cells_the_clearer_a_failure_must_be(tmp_path: Path, gate: Gate) -> None:
    write(tmp_path / "few", 0.07, rounds=6, cells=1)
    write(tmp_path / "many", 0.07, rounds=6, cells=40)
    codes = [
        main(["compare", *(str(tmp_path / root / side) for side in ("old", "new")),
              "--fail-if", "slower:5%"])
        for root in ("few", "many")
    ]  # fmt: skip
    assert codes == [1, 3]


def test_different_scales_are_reported_with_how_to_make_them_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, scale, size in (("old", "small", 64), ("new", "medium", 128)):
        write_sweep(
            tmp_path / name,
            {(1, "math"): [1.0] * 6},
            height=size,
            width=size,
            config={"scale": scale},
        )
    assert main(["compare", str(tmp_path / "old"), str(tmp_path / "new")]) == 2
    captured = capsys.readouterr()
    line = (
        "OLD ran at scale=small, NEW at scale=medium: to compare them, run the newer again with "
        "scale=small"
    )
    assert line in captured.out
    assert captured.err.endswith(f"; {line}\n")
    assert captured.err.count("\n") == 1


@pytest.mark.slow
def test_the_command_itself_exits_with_the_code_of_the_gate(tmp_path: Path) -> None:
    write(tmp_path, 2.0, rounds=3)
    command = [sys.executable, "-m", "analysis", "compare", str(tmp_path / "old"),
               str(tmp_path / "new"), "--fail-if", "slower:5%"]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("# NEW against OLD")
