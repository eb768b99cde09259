"""What a series of cells is called, and in which order series stand, in every chart and table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.rows import list_rows
from sd_bench.verdicts.axes import rank
from sd_bench.verdicts.names import NAMING_AXES, name_cells, name_env_within, shorten_texts

__all__ = [
    "NAMING_AXES",
    "find_naming_axes",
    "label_series",
    "name_env_within",
    "order_series",
    "shorten_texts",
]


def label_series(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``series``: the preset, or the values of the axes that vary."""
    names = name_cells(list_rows(cells))
    return cells.assign(series=pd.Series(names, index=cells.index, dtype=object))


def find_naming_axes(cells: pd.DataFrame) -> list[str]:
    """The axes that name series and on which the cells differ.

    Every attention has its own ``upcast``, which says something where one attention has several.
    """
    varying = [axis for axis in NAMING_AXES if cells[axis].nunique(dropna=False) > 1]
    several = cells.groupby("attention", dropna=False)["upcast"].nunique(dropna=False) > 1
    return varying if several.any() else [axis for axis in varying if axis != "upcast"]


def order_series(cells: pd.DataFrame) -> list[str]:
    """The series of a table in display order: published presets first, as published."""
    axes = [axis for axis in ("preset", *NAMING_AXES) if axis in cells.columns]
    keys: dict[str, tuple[Any, ...]] = {}
    for row in list_rows(cells[["series", *axes]].drop_duplicates()):
        name = str(row["series"])
        key = (*(rank(axis, row[axis]) for axis in axes), name)
        keys[name] = min(key, keys.get(name, key))
    return sorted(keys, key=lambda name: keys[name])
