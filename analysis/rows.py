"""Row types of tables: a field is a column, so a type checker finds wrong names.

Rooms pass tables as DataFrames whose columns are the fields of the row type.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import pandas as pd
from msgspec import Struct, structs

from analysis.once import once

#: Rows of a large table that are made at once: their numbers are there twice meanwhile.
_ROWS_AT_ONCE = 4096


@contextmanager
def uncollected() -> Iterator[None]:
    """While many rows are made: no search for unused cycles, which would visit all of them again
    and again. Rows have no cycles, and live on."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Row(Struct, kw_only=True):
    """A row of a table."""

    def __getitem__(self, column: str, /) -> Any:
        """The value of a column whose name is a variable, such as an axis."""
        return getattr(self, column)

    def keys(self) -> tuple[str, ...]:
        """The names of the columns, so that a row can serve as a mapping."""
        return self.__struct_fields__

    def __reduce__(self) -> tuple[Any, ...]:
        """Its values alone: a process that reads records sends many rows, all with these fields."""
        return _from_values, (type(self), structs.astuple(self))


AnyRow = TypeVar("AnyRow", bound=Row)


def _from_values(kind: type[AnyRow], values: tuple[Any, ...]) -> AnyRow:
    return kind(**dict(zip(kind.__struct_fields__, values, strict=True)))


def list_rows(frame: pd.DataFrame, kind: type[AnyRow]) -> list[AnyRow]:
    """The rows of a table as ``kind``. They are cached and shared, so they must not be changed.

    Columns that are not fields are ignored; fields without a column have their default.
    """
    made = _made(frame)
    if kind not in made:
        made[kind] = make_rows(frame, kind)
    return list(made[kind])


@once
def _made(frame: pd.DataFrame) -> dict[type[Row], list[Any]]:
    return {}


def make_rows(frame: pd.DataFrame, kind: type[AnyRow]) -> list[AnyRow]:
    """`list_rows` of rows that are nobody else's: for whoever changes them, and for large tables
    that are gone through once."""
    names = [name for name in map(str, frame.columns) if name in _fields(kind)]
    known = frame if len(names) == len(frame.columns) else frame[names]
    rows: list[AnyRow] = []
    for begin in range(0, len(known), _ROWS_AT_ONCE):
        part = known.iloc[begin : begin + _ROWS_AT_ONCE]
        values = part.to_numpy(dtype=object).tolist()  # one conversion, not one a column
        rows += [kind(**dict(zip(names, row, strict=True))) for row in values]
    return rows


@cache
def _fields(kind: type[Row]) -> frozenset[str]:
    return frozenset(kind.__struct_fields__)


def first_row(frame: pd.DataFrame, kind: type[AnyRow]) -> AnyRow:
    """The first row of a table, which must not be empty."""
    return make_rows(frame.iloc[:1], kind)[0]


def to_frame(rows: Iterable[AnyRow], kind: type[AnyRow]) -> pd.DataFrame:
    """A table of rows: numbers are floats, NaN where there is none; all else are objects."""
    listed, names, numbers = list(rows), kind.__struct_fields__, _numbers(kind)
    others = [name for name in names if name not in numbers]
    parts: list[pd.DataFrame] = []  # a block of each type, not one a column
    for of_type, dtype in ((others, object), (numbers, float)):
        columns = {name: list(map(attrgetter(name), listed)) for name in of_type}
        parts.append(pd.DataFrame(columns, range(len(listed)), dtype=dtype))
    return pd.concat(parts, axis=1)[list(names)]


@cache
def _numbers(kind: type[Row]) -> tuple[str, ...]:
    return tuple(field.name for field in structs.fields(kind) if field.type is float)


def keep_measured(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells, or rounds, that have times."""
    return cells[cells["status"] == "ok"]


def varies(cells: pd.DataFrame, axis: str) -> bool:
    """Whether the cells have more than one value on the axis."""
    return len(set(cells[axis])) > 1
