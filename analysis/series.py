"""What a series of cells is called, and in which order series stand, in every chart and table."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pandas as pd

from analysis.rows import Row, list_rows
from analysis.truncation import shorten_apart
from sd_bench.attention_backends import BACKENDS_BY_NAME
from sd_bench.verdicts.attention_dtype import name_attention
from sd_bench.verdicts.axes import PICTURE_AXES, WORKLOAD_AXES, rank

#: The axes that name a series where no preset does, or where one preset varies.
NAMING_AXES = (
    *("attention", "upcast", "compile", "precision", "torch_env", "sampler", "weights"),
    *PICTURE_AXES,
)

#: The axes whose values say by themselves what they are.
_SPEAK_FOR_THEMSELVES = ("precision", "sampler")

_SPELLED = {"negative_prompt": "negative prompt"}

#: The axes of free text.
_TEXTS = ("prompt", "negative_prompt")


def label_series(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``series``: the preset, or the values of the axes that vary."""
    rows = shorten_texts(list_rows(cells))
    labels = _labels(rows)
    return cells.assign(series=pd.Series(_distinct(rows, labels), index=cells.index, dtype=object))


def shorten_texts(rows: list[Row]) -> list[Row]:
    """The cells with their prompts as short as they differ."""
    short = {
        axis: shorten_apart(str(row[axis]) for row in rows if row[axis] is not None)
        for axis in _TEXTS
    }
    return [
        row | {axis: short[axis][str(row[axis])] for axis in _TEXTS if row[axis] is not None}
        for row in rows
    ]


def name_env_within(row: Row) -> str:
    """What tells a cell's environment from the others of its machine: ``PyTorch 1.12.1``."""
    return str(row["env"]).removeprefix(str(row["machine"])).lstrip(", ") or str(row["env"])


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


def _labels(rows: list[Row]) -> list[str]:
    """A label each row, from what varies among the cells that it can share a chart with."""
    values: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in rows:
        for axis in NAMING_AXES:
            values[_family(row, axis)].add(_word(axis, row))
    return [
        _label(row, [axis for axis in NAMING_AXES if len(values[_family(row, axis)]) > 1])
        for row in rows
    ]


def _family(row: Row, axis: str) -> tuple[Any, ...]:
    attention = row["attention"] if axis == "upcast" else None
    return (*_chart(row), row["preset"], axis, attention)


def _label(row: Row, varying: list[str]) -> str:
    preset = row["preset"]
    parts = [] if preset is None else [str(preset)]
    parts += [_word(axis, row) for axis in varying]
    if len(parts) > 1 and "compile off" in parts:
        parts.remove("compile off")
    return ", ".join(parts or [_word("attention", row)])


def _word(axis: str, row: Row) -> str:
    """A value as people say it: `flash`, `math (bf16)`, but `compile default`."""
    value = row[axis]
    if axis == "attention":
        backend = BACKENDS_BY_NAME.get(str(value))
        return name_attention(backend.label if backend else str(value), row["attention_dtype"])
    if value is None and axis in PICTURE_AXES:
        return f"no {_SPELLED.get(axis, axis)}"
    if axis in _TEXTS:
        return f'{_SPELLED.get(axis, axis)} "{value}"'
    return str(value) if axis in _SPEAK_FOR_THEMSELVES else f"{_SPELLED.get(axis, axis)} {value}"


def _distinct(rows: list[Row], labels: list[str]) -> list[str]:
    """Tell cells apart that would stand at the same place of a chart under the same label."""
    envs: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    places: dict[tuple[tuple[Any, ...], str], int] = defaultdict(int)
    for row, label in zip(rows, labels, strict=True):
        place = (*_chart(row), label, row["batch_size"])
        envs[place].add(row["env"])
        places[place, row["env"]] += 1
    by_env = {key[:-1] for key, found in envs.items() if len(found) > 1}
    by_hash = {place[:-1] for (place, _), count in places.items() if count > 1}
    distinct = []
    for row, label in zip(rows, labels, strict=True):
        key = (*_chart(row), label)
        suffix = f", {name_env_within(row)}" if key in by_env else ""
        suffix += f" #{row['cell_hash'][:7]}" if key in by_hash else ""
        distinct.append(label + suffix)
    return distinct


def _chart(row: Row) -> tuple[Any, ...]:
    return (row["machine"], *(row[axis] for axis in WORKLOAD_AXES))
