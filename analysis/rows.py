"""Rows of tables as types: a field is a column, so a type checker finds a wrong name.

Between rooms a table travels as a DataFrame, whose columns are the fields of its rows' type.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import pandas as pd
from msgspec import Struct, structs


class Row(Struct, kw_only=True):
    """A row of a table."""

    def __getitem__(self, column: str, /) -> Any:
        """For a column that varies, such as an axis; any other has its own name."""
        return getattr(self, column)

    def keys(self) -> tuple[str, ...]:
        """The names of its columns, so that a row is a mapping where one is needed."""
        return self.__struct_fields__


AnyRow = TypeVar("AnyRow", bound=Row)


def list_rows(frame: pd.DataFrame, kind: type[AnyRow]) -> list[AnyRow]:
    """The rows of a table as ``kind``.

    Columns that are not its fields are left out, fields without a column have their default.
    """
    names = [name for name in kind.__struct_fields__ if name in frame.columns]
    columns = [frame[name].tolist() for name in names]
    return [kind(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]


def to_frame(rows: Iterable[AnyRow], kind: type[AnyRow]) -> pd.DataFrame:
    """A table of rows: numbers are floats, NaN where there is none; all else are objects."""
    listed = list(rows)
    columns = {name: [row[name] for row in listed] for name in kind.__struct_fields__}
    numbers = dict.fromkeys(_numbers(kind), float)
    return pd.DataFrame(columns, dtype=object).astype(numbers).copy()  # one block, not one a column


@cache
def _numbers(kind: type[Row]) -> list[str]:
    return [field.name for field in structs.fields(kind) if field.type is float]


def keep_measured(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells, or rounds, that have times."""
    return cells[cells["status"] == "ok"]


def varies(cells: pd.DataFrame, axis: str) -> bool:
    """Whether the cells have more than one value on the axis."""
    return len(set(cells[axis])) > 1
