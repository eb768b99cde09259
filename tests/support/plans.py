"""Cells of a plan that need not be run."""

from __future__ import annotations

from pathlib import Path

from sd_bench.execution.cell import Cell
from sd_bench.execution.plan import PlannedCell
from tests.support.composition import Compose


def planned_cell(compose: Compose, *overrides: str, reason: str | None = None) -> PlannedCell:
    """A cell of four rounds on a CPU; it cannot run if there is a ``reason``."""
    config = compose("gpu=cpu", "protocol.rounds=4", *overrides)
    label = " ".join(overrides)
    cell = Cell(config=config, index=0, label=label, folder=Path(), sweep_folder=Path())
    return PlannedCell(cell=cell, interpreter=None, reason=reason)
