"""Records of older schema versions, put as the newest version would say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sd_bench.records.schema import SCHEMA_VERSION


def translated(data: dict[str, Any]) -> dict[str, Any]:
    """``data`` of any known version as one of the newest."""
    while data["schema_version"] < SCHEMA_VERSION:
        data = _TO_NEXT[data["schema_version"]](data)
    return data


def _from_1_to_2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew random weights only, and did not list them among the choices."""
    choices = data.get("choices")
    if isinstance(choices, dict):
        choices = {"weights": "random", **choices}
    return {**data, "schema_version": 2, "choices": choices}


_TO_NEXT: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1_to_2}
