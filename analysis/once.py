"""A cache for results computed from tables: tables are never changed, so results stay valid."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_Tables = ParamSpec("_Tables")
_Result = TypeVar("_Result")


def once(function: Callable[_Tables, _Result]) -> Callable[_Tables, _Result]:
    """Cache the result of a function of DataFrames for as long as all of them exist.

    Arguments are compared by identity and must be positional. All callers share the result, so it
    must not be changed, nor may it refer to one of the tables.
    """
    kept: dict[tuple[int, ...], Any] = {}

    @wraps(function)
    def remembered(*tables: _Tables.args, **nothing: _Tables.kwargs) -> _Result:
        key = tuple(map(id, tables))
        if key not in kept:
            kept[key] = function(*tables, **nothing)
            for table in tables:
                weakref.finalize(table, kept.pop, key, None).atexit = False
        result: _Result = kept[key]
        return result

    return remembered
