"""Facts that all cells of a sweep share, which a report states once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from analysis.formatting import count_rounds, join_sweeps
from analysis.ingest.rows import CellRow, EnvironmentRow
from analysis.rows import first_row, keep_measured, list_rows, varies
from analysis.series import NAMING_AXES
from analysis.wording.cell_names import name_picture
from analysis.wording.notes import describe_value, group_scaling, note_baseline
from sd_bench.verdicts.attention_dtype import name_attention
from sd_bench.verdicts.axes import PICTURE_AXES
from sd_bench.verdicts.names import is_worth_saying, name_optimizations, name_workload


class Fact(NamedTuple):
    """A term and its value in this sweep."""

    term: str
    text: str


def list_shared_facts(cells: pd.DataFrame, environments: pd.DataFrame) -> list[Fact]:
    """Machine, versions, model, choices, rounds, value, baseline, and what was scaled down.

    What varies between cells is in the tables and not among the facts.
    """
    return [
        *_place(environments),
        *_workload(cells),
        Fact("Rounds", f"{_count_rounds(cells)}; each counts as {describe_value(cells)}"),
        _baseline(cells),
        *_scaling(cells),
    ]


def _baseline(cells: pd.DataFrame) -> Fact:
    text = note_baseline(cells).rstrip(".")
    for begin in ("Baseline: ", "Baselines: "):
        text = text.removeprefix(begin)
    return Fact("Baseline", text)


def _place(environments: pd.DataFrame) -> Iterator[Fact]:
    rows = list_rows(environments, EnvironmentRow)
    if len(rows) > 1:
        machines = dict.fromkeys(str(row.machine) for row in rows)
        where = "see Environments" if len(machines) == 1 else "each has its section of Tables"
        yield Fact("Machines", f"{', '.join(machines)}; {where}")
        return
    (only,) = rows
    yield Fact("Machine", str(only.device))
    yield Fact("Versions", f"PyTorch {only.torch}, Python {only.python}")
    yield Fact("Code", f"commit {only.commit}")
    yield Fact("Sweep", join_sweeps(only.sweeps))


def _workload(cells: pd.DataFrame) -> Iterator[Fact]:
    """The model with its size and steps, then the choices; without what varies or is unknown."""
    first = first_row(cells, CellRow)
    words = {axis: text for axis, text in name_workload(first).items() if not varies(cells, axis)}
    if {"height", "width"} <= words.keys():
        words["height"] = f"{first.width}x{first.height} pixels"
        del words["width"]
    words |= dict(_choices(cells, first))
    model = [words.pop(axis) for axis in ("model_version", "height", "width") if axis in words]
    model += [words.pop("weights")] if "weights" in words else []
    work = [words.pop(axis) for axis in ("sampler", "steps", "n_iter") if axis in words]
    picture = [words.pop(axis) for axis in PICTURE_AXES if axis in words]
    for term, parts in (
        *(("Model", model), ("Sampling", work), ("Picture", picture)),
        ("Choices", [*words.values()]),
    ):
        if parts:
            yield Fact(term, ", ".join(parts))


def _choices(cells: pd.DataFrame, first: CellRow) -> Iterator[tuple[str, str]]:
    dtype = "" if varies(cells, "attention_dtype") else first.attention_dtype
    words = {
        "attention": f"attention {name_attention(str(first.attention), dtype)}",
        "compile": f"compile {first.compile}",
        "torch_env": f"torch_env {first.torch_env}",
        "allocator": f"allocator {first.allocator}",
        "threads": f"threads {first.threads}",
        "optimizations": name_optimizations(first.optimizations),
        "weights": f"{first.weights} weights",
        **name_picture(first),
    }
    for axis in NAMING_AXES:
        if axis != "upcast" and not varies(cells, axis) and is_worth_saying(axis, first[axis]):
            yield axis, words.get(axis, str(first[axis]))


def _count_rounds(cells: pd.DataFrame) -> str:
    counts = keep_measured(cells)["rounds"]
    if not len(counts):
        return "none with times"
    least, most = int(counts.min()), int(counts.max())
    return f"{count_rounds(least) if least == most else f'{least} to {most} rounds'} per cell"


def _scaling(cells: pd.DataFrame) -> Iterator[Fact]:
    """One fact on how the workload differs from the published one, by machine if they differ."""
    several = cells["machine"].nunique() > 1
    parts = (
        f"{machines}: {'; '.join(statements)}" if several else "; ".join(statements)
        for machines, statements in group_scaling(cells).items()
    )
    if text := ". ".join(parts):
        yield Fact("Scaled down", text)
