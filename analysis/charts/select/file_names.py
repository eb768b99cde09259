"""The file names of charts, in the style of the published ones."""

from __future__ import annotations

import re
from collections.abc import Container

import pandas as pd

from analysis.comparison.rows import DeltaRow

_LONGEST = 100


def name_file(begin: str, first: DeltaRow, deltas: pd.DataFrame) -> str:
    """``begin`` with the workload of the cell ``first``, if ``deltas`` has several workloads."""
    parts = [begin, f"n_iter_{first.n_iter}"] if first.n_iter is not None else [begin]
    parts.append(str(first.model_version))
    if len(deltas[["height", "width"]].drop_duplicates()) > 1:
        parts.append(f"{first.width}x{first.height}")
    if deltas["steps"].nunique(dropna=False) > 1:
        parts.append(f"{first.steps}_steps")
    return clean_name("_".join(parts))


def clean_name(text: str) -> str:
    """The text as a file name of plain characters."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", text).strip("_.")[:_LONGEST]


def find_unused(stem: str, taken: Container[str]) -> str:
    """The stem, with a number after it if it is already taken."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name
