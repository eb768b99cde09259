"""Tables as lists of rows: a row is a dict by the names of the columns."""

from __future__ import annotations

from typing import Any

import pandas as pd

Row = dict[str, Any]


def list_rows(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table, as of ``to_dict("records")`` and several times as fast."""
    columns = [frame[name].tolist() for name in frame.columns]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def varies(cells: pd.DataFrame, axis: str) -> bool:
    """Whether the cells have more than one value on the axis."""
    return len(set(cells[axis])) > 1
