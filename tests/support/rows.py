"""Rows of cells and comparisons with only the columns that matter."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from msgspec import structs

from analysis.ingest.rows import CellRow

_Kind = TypeVar("_Kind", bound=CellRow)
_NOTHING = {"float": math.nan, "str": "", "int": 0, "bool": False}


def row_of(kind: type[_Kind], **columns: Any) -> _Kind:
    """A row with these columns; the others have an empty value of their type."""
    missing = [field for field in structs.fields(kind) if field.name not in columns]
    return kind(**columns, **{field.name: _nothing(field) for field in missing})


def _nothing(field: structs.FieldInfo) -> Any:
    name = getattr(field.type, "__name__", "")
    if name.startswith("tuple"):
        return ()
    return {} if name in ("dict", "Counter", "Mapping") else _NOTHING.get(name)
