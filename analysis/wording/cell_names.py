"""Names of cells in words, which say what each number means."""

from __future__ import annotations

import pandas as pd

from analysis.ingest.rows import Named
from analysis.rows import list_rows, varies
from analysis.series import find_naming_axes, shorten_texts
from analysis.truncation import cut
from sd_bench.verdicts.attention_dtype import name_attention
from sd_bench.verdicts.axes import AXES
from sd_bench.verdicts.names import Chosen, name_optimizations, name_workload

#: Most characters of a prompt that are shown.
_LONGEST_PROMPT = 60


def name_choices(row: Chosen) -> dict[str, str]:
    """The choices of a cell by axis, in words; choices that it lacks are left out."""
    with_axis_name = ("upcast", "compile", "torch_env", "allocator", "threads", "weights")
    named = {axis: f"{axis} {row[axis]}" for axis in with_axis_name}
    named |= name_picture(row)
    named |= name_workload(row) | {"batch_size": f"batch size {row['batch_size']}"}
    named["optimizations"] = name_optimizations(row["optimizations"])
    named["attention"] = name_attention(str(row["attention"]), row["attention_dtype"])
    return {axis: named.get(axis, str(row[axis])) for axis in AXES if row[axis] is not None}


def name_picture(row: Chosen) -> dict[str, str]:
    """The seed and the prompts of a cell in words, by axis."""
    numbers = ("seed", "guidance_scale", "eta", "weights_seed")
    words = {axis: f"{axis} {row[axis]}" for axis in numbers}
    for axis in ("prompt", "negative_prompt"):
        words[axis] = f'{axis.replace("_", " ")} "{cut(str(row[axis]), _LONGEST_PROMPT)}"'
    return words


def describe_workload(row: Chosen, *others: str) -> str:
    """Model, size and steps of a cell for a title, then the axes ``others``, if known."""
    words = name_workload(row)
    parts = [words.get("model_version", "model unknown")]
    if {"height", "width"} <= words.keys():
        parts.append(f"{row['width']}x{row['height']} pixels")
    parts += [words["steps"]] if "steps" in words else []
    return ", ".join([*parts, *(str(row[axis]) for axis in others if row[axis] is not None)])


def name_cells(cells: pd.DataFrame) -> list[str]:
    """Each cell by what distinguishes it from the others, except GPU and batch size."""
    quiet = {"gpu", "batch_size", *({"upcast"} - {*find_naming_axes(cells)})}
    axes = [axis for axis in AXES if axis not in quiet]
    axes = [axis for axis in axes if varies(cells, axis)] or ["attention"]
    rows = list_rows(cells, Named)
    named = map(name_choices, shorten_texts(rows))
    return [", ".join(words[axis] for axis in axes if axis in words) for words in named]
