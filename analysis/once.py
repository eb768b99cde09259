"""Results of tables that are computed once: no table is changed in place, so they stay true."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_Tables = ParamSpec("_Tables")
_Result = TypeVar("_Result")


def once(function: Callable[_Tables, _Result]) -> Callable[_Tables, _Result]:
    """``function`` of one or several DataFrames, whose result is kept as long as they all live.

    The arguments are told apart by identity and given by position. Whoever asks shares the result,
    so it must not be changed, nor may it hold one of the tables.
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
