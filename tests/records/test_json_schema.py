"""The published JSON schema is current, fits real records, and rejects broken ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from msgspec import structs

from sd_bench.execution.worker import blank_record
from sd_bench.measurement.round import measure_round
from sd_bench.paths import PACKAGE_DIR
from sd_bench.records import read_record, write_record
from sd_bench.records.json_schema import record_schema
from tests.support.composition import Compose
from tests.support.records import sample_record

jsonschema = pytest.importorskip("jsonschema")

PUBLISHED = PACKAGE_DIR.parent / "docs" / "record.schema.json"


def validate(data: dict[str, Any]) -> None:
    jsonschema.validate(data, json.loads(PUBLISHED.read_text()))


def test_the_published_schema_is_that_of_the_code() -> None:
    again = "python -m sd_bench.records.json_schema > docs/record.schema.json"
    assert json.loads(PUBLISHED.read_text()) == record_schema(), again


@pytest.mark.slow
def test_a_measured_record_fits_the_schema(tiny: Compose, tmp_path: Path) -> None:
    config = tiny("attention=original", "sampler.steps=2", "profile=true")
    measured = measure_round(
        config, torch.device("cpu"), 0.0, None, lambda phase: None, tmp_path / "trace.json.gz"
    )
    record = structs.replace(
        blank_record(config, "date/time", "0", 0, 0),
        status="ok", reason=None, times=measured.times, memory=measured.memory,
        kernel_proof=measured.kernel_proof, energy=measured.energy, telemetry=measured.telemetry,
        profile=measured.profile,
    )  # fmt: skip
    write_record(tmp_path / "round-0.json", record)
    validate(json.loads((tmp_path / "round-0.json").read_text()))
    assert read_record(tmp_path / "round-0.json") == record


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "fine"), ("round", "three"), ("times", {}), ("surprise", 1), ("warnings", None)],
)
def test_what_is_not_a_record_does_not_fit(field: str, value: Any) -> None:
    data = msgspec.to_builtins(sample_record(1.0))
    validate(copy.deepcopy(data))
    with pytest.raises(jsonschema.ValidationError):
        validate({**data, field: value})
