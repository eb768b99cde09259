"""The names of cells and of their places, on every screen and in every chart and table.

A row is a mapping with a cell's choices by axis and its ``machine``, ``env``, ``cell_hash`` and
``attention_dtype`` (`sd_bench.verdicts.attention_dtype`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sd_bench.attention_backends import BACKENDS_BY_NAME
from sd_bench.verdicts.attention_dtype import name_attention
from sd_bench.verdicts.axes import PICTURE_AXES, WORKLOAD_AXES
from sd_bench.verdicts.short_texts import shorten_apart


class Chosen(Protocol):
    """A cell or a row, from which only single values are read."""

    def __getitem__(self, axis: str, /) -> Any:
        """The value on an axis."""


class Row(Chosen, Protocol):
    """A row that can be turned into a dict."""

    def keys(self) -> Iterable[str]:
        """The names of the columns."""


#: The axes that name a series if there is no preset, or if one preset occurs with several values.
NAMING_AXES = (
    *("implementation", "attention", "upcast", "compile", "optimizations", "precision"),
    *("torch_env", "allocator", "threads", "sampler", "weights"),
    *PICTURE_AXES,
)

#: Not mentioned if all cells share it: a default setting...
_DEFAULTS = {
    **{"allocator": "default", "threads": "auto"},
    **{"implementation": "sd_bench", "optimizations": "none"},
}
#: ... and settings that usually follow from the model.
_NAMED_IF_VARYING = ("guidance_scale", "eta", "weights_seed")

#: The axes whose values are clear without the axis's name.
_CLEAR_WITHOUT_AXIS = ("implementation", "precision", "sampler")

#: The name of a cell without optimizations, if nothing else names it.
_NO_OPTIMIZATIONS = "no optimizations"

_SPELLED = {"negative_prompt": "negative prompt"}

#: The start of every place; the batch size follows.
PLACE_BEGINS = "at batch size"

#: The axes of free text.
_TEXTS = ("prompt", "negative_prompt")


def name_cells(cells: Sequence[Row]) -> list[str]:
    """The name of each cell: its preset, or the values of the axes that vary."""
    rows = shorten_texts(cells)
    return _distinct(rows, _labels(rows))


def name_env_within(row: Row) -> str:
    """The part of an environment's name that its machine's does not have: ``PyTorch 1.12.1``."""
    return str(row["env"]).removeprefix(str(row["machine"])).lstrip(", ") or str(row["env"])


def is_worth_saying(axis: str, value: Any) -> bool:
    """Whether to mention a value that all cells share: not if it is unknown or a default."""
    is_notable = axis not in _NAMED_IF_VARYING and _DEFAULTS.get(axis) != value
    return value is not None and is_notable


def name_workload(row: Chosen) -> dict[str, str]:
    """A cell's workload in words, by axis, without unknown values."""
    words = {
        "model_version": str(row["model_version"]),
        "height": f"height {row['height']}",
        "width": f"width {row['width']}",
        "steps": f"{row['steps']} steps",
        "n_iter": f"n_iter {row['n_iter']}",
    }
    return {axis: text for axis, text in words.items() if row[axis] is not None}


def name_optimizations(value: Any) -> str:
    """The enabled optimizations in words: ``channels_last + freezing``."""
    return _NO_OPTIMIZATIONS if value in (None, "none") else str(value).replace("+", " + ")


def name_place(cell: Chosen, varying: set[str]) -> str:
    """A cell's place among others: ``at batch size 4``, and what varies of machine and workload.

    ``varying`` holds the axes that vary, and "machine" if that does.
    """
    place = f"{PLACE_BEGINS} {cell['batch_size']}"
    if "machine" in varying:
        place += f" on {cell['machine']}"
    words = name_workload(cell)
    if varying & {"height", "width"}:
        words = words | {"height": f"{cell['width']}x{cell['height']} pixels"}
        varying = (varying | {"height"}) - {"width"}
    work = [text for axis, text in words.items() if axis in varying]
    return f"{place} ({', '.join(work)})" if work else place


def shorten_texts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows with their prompts shortened as far as they stay distinct."""
    short = {
        axis: shorten_apart(str(row[axis]) for row in rows if row[axis] is not None)
        for axis in _TEXTS
    }
    return [
        {**row} | {axis: short[axis][str(row[axis])] for axis in _TEXTS if row[axis] is not None}
        for row in rows
    ]


def _labels(rows: Sequence[Row]) -> list[str]:
    """A label for each row, from what varies among the cells that can share a chart with it."""
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
    for nothing in (_NO_OPTIMIZATIONS, "compile off"):
        if len(parts) > 1 and nothing in parts:
            parts.remove(nothing)
    return ", ".join(parts or _departures(row) or [_word("attention", row)])


def _departures(row: Row) -> list[str]:
    """The settings that are not defaults, for a single cell beside those of a preset."""
    return [
        _word(axis, row)
        for axis, default in _DEFAULTS.items()
        if axis != "allocator" and row[axis] not in (None, default)
    ]


def _word(axis: str, row: Row) -> str:
    """A row's value on an axis in words: `flash`, `math (bf16)`, but `compile default`."""
    value = row[axis]
    if axis == "attention":
        backend = BACKENDS_BY_NAME.get(str(value))
        return name_attention(backend.label if backend else str(value), row["attention_dtype"])
    if value is None and axis in PICTURE_AXES:
        return f"no {_SPELLED.get(axis, axis)}"
    if axis == "optimizations":
        return name_optimizations(value)
    if axis in _TEXTS:
        return f'{_SPELLED.get(axis, axis)} "{value}"'
    return str(value) if axis in _CLEAR_WITHOUT_AXIS else f"{_SPELLED.get(axis, axis)} {value}"


def _distinct(rows: Sequence[Row], labels: list[str]) -> list[str]:
    """The labels, extended for cells that would share a label and a place in a chart."""
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
