"""The names of series of cells, and their order in every chart and table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sd_bench.verdicts.axes import rank
from sd_bench.verdicts.names import NAMING_AXES, name_env_within, shorten_texts

__all__ = [
    "NAMING_AXES",
    "find_naming_axes",
    "name_env_within",
    "order_series",
    "shorten_texts",
]


def find_naming_axes(cells: pd.DataFrame) -> list[str]:
    """The axes that name series and on which the cells differ.

    ``upcast`` follows from the attention, so it counts only if one attention has several values.
    """
    varying = [axis for axis in NAMING_AXES if cells[axis].nunique(dropna=False) > 1]
    several = cells.groupby("attention", dropna=False)["upcast"].nunique(dropna=False) > 1
    return varying if several.any() else [axis for axis in varying if axis != "upcast"]


def order_series(cells: pd.DataFrame) -> list[str]:
    """The series of a table in display order: published presets first, as published."""
    axes = [axis for axis in ("preset", *NAMING_AXES) if axis in cells.columns]
    columns = (cells[column].tolist() for column in ("series", *axes))
    keys: dict[str, tuple[Any, ...]] = {}
    for name, *values in dict.fromkeys(zip(*columns, strict=True)):
        key = (*(rank(axis, value) for axis, value in zip(axes, values, strict=True)), name)
        keys[name] = min(key, keys.get(name, key))
    return sorted(keys, key=lambda name: keys[name])
