"""Which cells differ only in their preset, and so may be compared."""

from __future__ import annotations

from typing import Any

from analysis.ingest.rows import CellRow
from sd_bench.verdicts.axes import AXES

#: What the presets change from one to the next; all other choices must be equal.
_CHANGED = ("preset", "attention", "upcast", "compile", "torch_env")

#: The columns in which cells must be equal to be of one chain of presets.
HELD_EQUAL = ("machine", *(axis for axis in AXES if axis not in _CHANGED))


def are_comparable(row: CellRow, other: CellRow) -> bool:
    """Whether two cells are equal in all that their presets do not change.

    Another ``torch_env`` is another environment by its nature, the same one must not be.
    """
    same_place = row.torch_env != other.torch_env or row.env == other.env
    return same_place and _held(row) == _held(other)


def share_sweep(row: CellRow, other: CellRow) -> bool:
    """Whether two cells have rounds of one sweep."""
    return not set(row.sweep_folders).isdisjoint(other.sweep_folders)


def _held(row: CellRow) -> tuple[Any, ...]:
    return tuple(row[column] for column in HELD_EQUAL)
