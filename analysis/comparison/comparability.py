"""Which cells differ only in their preset, so that they may be compared."""

from __future__ import annotations

from typing import Any

from analysis.ingest.rows import CellRow
from sd_bench.verdicts.axes import AXES

#: The axes that presets change; all other choices must be equal.
_CHANGED = ("preset", "attention", "upcast", "compile", "torch_env")

#: The columns in which the cells of one chain of presets must be equal.
HELD_EQUAL = ("machine", *(axis for axis in AXES if axis not in _CHANGED))


def are_comparable(row: CellRow, other: CellRow) -> bool:
    """Whether two cells are equal in everything that their presets do not change.

    With the same ``torch_env`` they must also share an environment.
    """
    same_place = row.torch_env != other.torch_env or row.env == other.env
    return same_place and _held(row) == _held(other)


def share_sweep(row: CellRow, other: CellRow) -> bool:
    """Whether two cells have rounds in a common sweep."""
    return not set(row.sweep_folders).isdisjoint(other.sweep_folders)


def _held(row: CellRow) -> tuple[Any, ...]:
    return tuple(row[column] for column in HELD_EQUAL)
