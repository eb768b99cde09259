"""What a bar is called and which colour it has, the same in every chart and table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sd_bench.verdicts.axes import (
    PUBLISHED_CONFIGURATIONS,
    WORKLOAD_AXES,
    Choice,
    Row,
    rank,
    rows_of,
)

#: The axes that name a series where no configuration does, or where one configuration varies.
NAMING_AXES = ("attention", "upcast", "compile", "precision", "torch_env", "sampler", "weights")

#: Matplotlib's first five default colours, for the published configurations in their order.
_PUBLISHED_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")

#: The colours that follow: the rest of the default cycle, neighbours far apart in lightness, then
#: lighter companions. A sixteenth series that is no published configuration begins again, and is
#: told apart by what `repeats_of_colours` says.
_OTHER_COLOURS = (
    *("#8c564b", "#17becf", "#e377c2", "#bcbd22", "#7f7f7f"),
    *("#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5"),
    *("#c49c94", "#f7b6d2", "#c7c7c7", "#dbdb8d", "#9edae5"),
)


def label_series(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``series``: the configuration, or the values of the axes that vary."""
    rows = rows_of(cells)
    labels = _labels(rows)
    return cells.assign(series=pd.Series(_distinct(rows, labels), index=cells.index, dtype=object))


def naming_axes(cells: pd.DataFrame) -> list[str]:
    """The axes that name series and on which the cells differ.

    Every attention has its own ``upcast``, which says something where one attention has several.
    """
    varying = [axis for axis in NAMING_AXES if cells[axis].nunique(dropna=False) > 1]
    several = cells.groupby("attention", dropna=False)["upcast"].nunique(dropna=False) > 1
    return varying if several.any() else [axis for axis in varying if axis != "upcast"]


def series_order(cells: pd.DataFrame) -> list[str]:
    """The series of a table in display order: published configurations first, as published."""
    axes = [axis for axis in ("configuration", *NAMING_AXES) if axis in cells.columns]
    keys: dict[str, tuple[Any, ...]] = {}
    for row in rows_of(cells[["series", *axes]].drop_duplicates()):
        name = str(row["series"])
        key = (*(rank(axis, row[axis]) for axis in axes), name)
        keys[name] = min(key, keys.get(name, key))
    return sorted(keys, key=lambda name: keys[name])


def series_colours(order: Iterable[str]) -> dict[str, str]:
    """A colour for each series; a published configuration's never depends on the others."""
    published = dict(zip(PUBLISHED_CONFIGURATIONS, _PUBLISHED_COLOURS, strict=True))
    others = [name for name in order if name not in published]
    following = {
        name: _OTHER_COLOURS[place % len(_OTHER_COLOURS)] for place, name in enumerate(others)
    }
    return published | following


def repeats_of_colours(colours: Mapping[str, str]) -> dict[str, int]:
    """How many series before it have the colour of each: charts vary marker or hatch by it."""
    seen: Counter[str] = Counter()
    repeats = {}
    for name, colour in colours.items():
        repeats[name] = seen[colour]
        seen[colour] += 1
    return repeats


def _labels(rows: list[Row]) -> list[str]:
    """A label each row, from what varies among the cells that it can share a chart with."""
    values: dict[tuple[Any, ...], set[Choice]] = defaultdict(set)
    for row in rows:
        for axis in NAMING_AXES:
            values[_family(row, axis)].add(row[axis])
    return [
        _label(row, [axis for axis in NAMING_AXES if len(values[_family(row, axis)]) > 1])
        for row in rows
    ]


def _family(row: Row, axis: str) -> tuple[Any, ...]:
    attention = row["attention"] if axis == "upcast" else None
    return (*_chart(row), row["configuration"], axis, attention)


def _label(row: Row, varying: list[str]) -> str:
    configuration = row["configuration"]
    parts = [] if configuration is None else [str(configuration)]
    parts += [_word(axis, row[axis]) for axis in varying]
    if len(parts) > 1 and "compile off" in parts:
        parts.remove("compile off")
    return ", ".join(parts or [_word("attention", row["attention"])])


def _word(axis: str, value: Choice) -> str:
    """A value as people say it: `flash`, but `compile default`, and no name of a configuration."""
    plain = axis in ("attention", "precision", "sampler") and value not in PUBLISHED_CONFIGURATIONS
    return str(value) if plain else f"{axis} {value}"


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
        suffix = f", {row['env']}" if key in by_env else ""
        suffix += f" #{row['cell_hash'][:7]}" if key in by_hash else ""
        distinct.append(label + suffix)
    return distinct


def _chart(row: Row) -> tuple[Any, ...]:
    return (row["machine"], *(row[axis] for axis in WORKLOAD_AXES))
