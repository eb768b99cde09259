"""The record's JSON schema, made from the dataclasses that read and write it.

``python -m sd_bench.records.json_schema > docs/record.schema.json`` publishes it anew.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

from sd_bench.records.schema import SCHEMA_VERSION, STATUSES, Record

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_FIXED: dict[str, dict[str, Any]] = {
    "schema_version": {"const": SCHEMA_VERSION},
    "status": {"enum": list(STATUSES)},
}


def record_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a record of the newest version."""
    definitions: dict[str, Any] = {}
    record = _of_dataclass(Record, definitions)
    record["properties"] |= _FIXED
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A record of sd_bench, schema version {SCHEMA_VERSION}",
        **record,
        "$defs": dict(sorted(definitions.items())),
    }


def _of(expected: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; dataclasses go into ``definitions`` and are referred to."""
    if expected is Any:
        return {}
    if isinstance(expected, type) and dataclasses.is_dataclass(expected):
        if expected.__name__ not in definitions:
            definitions[expected.__name__] = _of_dataclass(expected, definitions)
        return {"$ref": f"#/$defs/{expected.__name__}"}
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(argument, definitions) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    return {"type": _PLAIN[expected]}


def _of_dataclass(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """Every field is written, so every field is required."""
    hints = typing.get_type_hints(cls)
    return {
        "description": " ".join((cls.__doc__ or "").split()),
        "type": "object",
        "properties": {name: _of(hint, definitions) for name, hint in hints.items()},
        "required": list(hints),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    print(json.dumps(record_schema(), indent=1))
