"""Row types of tables: a field is a column, so a type checker finds wrong names.

Rooms pass tables as DataFrames whose columns are the fields of the row type.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import pandas as pd
from msgspec import Struct, structs

from analysis.once import once


class Row(Struct, kw_only=True):
    """A row of a table."""

    def __getitem__(self, column: str, /) -> Any:
        """The value of a column whose name is a variable, such as an axis."""
        return getattr(self, column)

    def keys(self) -> tuple[str, ...]:
        """The names of the columns, so that a row can serve as a mapping."""
        return self.__struct_fields__


AnyRow = TypeVar("AnyRow", bound=Row)


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
    """Like `list_rows`, but new rows on every call.

    For callers that change the rows, and for large tables that are read only once.
    """
    names = list(map(str, frame.columns))
    known = [at for at, name in enumerate(names) if name in _fields(kind)]
    names = [names[at] for at in known]
    values = frame.to_numpy(dtype=object).tolist()  # one conversion, not one per column
    if len(known) < len(frame.columns):
        values = [[row[at] for at in known] for row in values]
    return [kind(**dict(zip(names, row, strict=True))) for row in values]


@cache
def _fields(kind: type[Row]) -> frozenset[str]:
    return frozenset(kind.__struct_fields__)


def first_row(frame: pd.DataFrame, kind: type[AnyRow]) -> AnyRow:
    """The first row of a table, which must not be empty."""
    return make_rows(frame.iloc[:1], kind)[0]


def to_frame(rows: Iterable[AnyRow], kind: type[AnyRow]) -> pd.DataFrame:
    """A table of rows: number columns are floats with NaN for missing, all others are objects."""
    listed = list(rows)
    columns = {name: list(map(attrgetter(name), listed)) for name in kind.__struct_fields__}
    numbers = dict.fromkeys(_numbers(kind), float)
    # copied into one block, not one per column
    return pd.DataFrame(columns, dtype=object).astype(numbers).copy()


@cache
def _numbers(kind: type[Row]) -> list[str]:
    return [field.name for field in structs.fields(kind) if field.type is float]


def keep_measured(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells, or rounds, that have times."""
    return cells[cells["status"] == "ok"]


def varies(cells: pd.DataFrame, axis: str) -> bool:
    """Whether the cells have more than one value on the axis."""
    return len(set(cells[axis])) > 1
