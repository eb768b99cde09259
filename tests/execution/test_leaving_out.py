"""Cells that cannot run here are left out on request, and one line says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from sd_bench.capabilities.torch_compat import HAS_SDPA, TORCH_VERSION
from sd_bench.execution.cell import Cell
from sd_bench.execution.leaving_out import find_unsupported, say_left_out
from tests.support.composition import Compose

LEFT_OUT = "leave_out_unsupported=true"


@pytest.fixture
def cells(tiny: Compose, tmp_path: Path) -> list[Cell]:
    """One cell that runs, two that no CPU can run, and the first one again."""
    choices = ("attention=math", "attention=cudnn", "attention=xformers", "attention=math")
    return [
        Cell(
            config=tiny(choice, LEFT_OUT),
            index=at,
            label=choice,
            folder=tmp_path / str(at),
            sweep_folder=tmp_path,
        )
        for at, choice in enumerate(choices)
    ]


@pytest.mark.slow
def test_what_cannot_run_or_is_there_twice_is_left_out(cells: list[Cell]) -> None:
    found = find_unsupported(cells)
    assert [*found] == [1, 2, 3]
    if HAS_SDPA:
        needs_torch = TORCH_VERSION < (2, 5)
        assert found[1] == (
            "cuDNN attention needs PyTorch 2.5" if needs_torch
            else "this attention backend needs a CUDA device"
        )  # fmt: skip
    assert say_left_out(cells, found) == [
        f"left out: sd_bench: {found[1]} (1 cell)",
        f"left out: sd_bench: {found[2]} (1 cell)",
    ]


def test_a_matrix_of_which_nothing_can_run_stays(cells: list[Cell]) -> None:
    assert find_unsupported(cells[1:3]) == {}


def test_nothing_is_left_out_unasked(tiny: Compose, tmp_path: Path) -> None:
    unasked = [
        Cell(
            config=tiny(choice),
            index=at,
            label=choice,
            folder=tmp_path / str(at),
            sweep_folder=tmp_path,
        )
        for at, choice in enumerate(("attention=math", "attention=cudnn"))
    ]
    assert find_unsupported(unasked) == {}


def test_it_changes_no_cell(tiny: Compose, tmp_path: Path, cells: list[Cell]) -> None:
    plain = Cell(
        config=tiny("attention=math"), index=0, label="", folder=tmp_path, sweep_folder=tmp_path
    )
    assert plain.hash == cells[0].hash
