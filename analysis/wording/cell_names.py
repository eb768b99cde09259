"""What a cell is, in words that say what a number is."""

from __future__ import annotations

from analysis.wording.notes import workload_words
from sd_bench.verdicts.axes import AXES, Row


def cell_words(row: Row) -> dict[str, str]:
    """The choices of a cell by axis, as people read them; without those that it lacks."""
    named = {axis: f"{axis} {row[axis]}" for axis in ("upcast", "compile", "torch_env", "weights")}
    named |= workload_words(row) | {"batch_size": f"batch size {row['batch_size']}"}
    return {axis: named.get(axis, str(row[axis])) for axis in AXES if row[axis] is not None}
