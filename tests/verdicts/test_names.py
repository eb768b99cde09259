"""The names of cells: what tells them apart, and nothing that misleads."""

from __future__ import annotations

from typing import Any

from sd_bench.verdicts.axes import AXES
from sd_bench.verdicts.names import name_cells


def row(**choices: Any) -> dict[str, Any]:
    defaults = {"attention": "auto", "implementation": "sd_bench", "optimizations": "none"}
    unnamed = {"machine": "m", "env": "m, PyTorch 2.15.0", "attention_dtype": ""}
    return {
        **dict.fromkeys(AXES), **defaults, **unnamed, "cell_hash": repr(choices), **choices,
    }  # fmt: skip


def test_a_single_cell_beside_those_of_a_preset_is_named_by_what_it_changes() -> None:
    tuned = row(preset="tuned", optimizations="packed_weights")
    assert name_cells([tuned, row(optimizations="channels_last")]) == ["tuned", "channels_last"]
    assert name_cells([tuned, row(threads=2)]) == ["tuned", "threads 2"]
    assert name_cells([tuned, row(allocator="keep", threads="auto")]) == ["tuned", "auto"]
