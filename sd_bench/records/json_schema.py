"""The JSON schema of records, made from the types of ``sd_bench.records.schema``.

``python -m sd_bench.records.json_schema > docs/record.schema.json`` updates the published file.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from sd_bench.records.schema import SCHEMA_VERSION, Record


def record_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record of the newest version."""
    _, parts = msgspec.json.schema_components([Record], ref_template="#/$defs/{name}")
    definitions = {name: _as_written(part) for name, part in sorted(parts.items())}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **definitions.pop("Record"),
        "title": f"A record of sd_bench, schema version {SCHEMA_VERSION}",
        "$defs": definitions,
    }


def _as_written(part: dict[str, Any]) -> dict[str, Any]:
    """``part`` with all fields required, as all are written, and its description in one line."""
    description = " ".join(part["description"].split())
    return {**part, "description": description, "required": list(part["properties"])}


if __name__ == "__main__":
    print(json.dumps(record_schema(), indent=1))
