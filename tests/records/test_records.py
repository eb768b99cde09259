"""Records on disk: whole or absent, checked when read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from sd_bench.records import (
    SCHEMA_VERSION,
    Iteration,
    Record,
    RecordError,
    Times,
    find_records,
    read_record,
    record_path,
    write_record,
)


def a_record() -> Record:
    iteration = Iteration(
        total_s=2.0, text_encode_s=0.1, denoise_s=1.5, vae_decode_s=0.4, steps_s=[0.5, 1.0]
    )
    return Record(
        schema_version=SCHEMA_VERSION,
        status="ok", reason=None, cell_hash="abc", choices={"gpu": "cpu"}, round=3, position=7,
        sweep="2023-01-01/10-00-00", job="0", started_at="2023-01-01T10:00:00+00:00", config={},
        scaled=[], environment={"fingerprint": "f"},
        times=Times(
            import_s=1, build_s=2, prepare_s=0.5, first_call_s=None, warmup=[],
            warmup_unet_calls_s=[], iterations=[iteration, iteration],
        ),
    )  # fmt: skip


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = record_path(tmp_path, 3)
    write_record(path, a_record())
    assert path.name == "round-3.json"
    assert read_record(path) == a_record()
    assert read_record(path).runtime_s == 4.0
    assert list(find_records(tmp_path)) == [path]


def test_only_ok_records_have_a_runtime() -> None:
    assert structs.replace(a_record(), status="invalid").runtime_s is None


def test_nothing_half_written_is_left_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record_path(tmp_path, 0)
    write_record(path, a_record())
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_record(path, structs.replace(a_record(), round=9))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def broken(change: str) -> str:
    data = msgspec.to_builtins(a_record())
    exec(change, {"data": data})
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not readable as JSON"),
        ('{"schema_version": 1, "sta', "not readable as JSON"),
        ("[]", "not a record of sd_bench"),
        ("{}", "not a record of sd_bench"),
        (broken("data['schema_version'] = 99"), "schema version 99"),
        (broken("del data['status']"), "missing required field `status`"),
        (broken("data['extra'] = 1"), "unknown field `extra`"),
        (broken("data['round'] = 'three'"), "Expected `int`, got `str` - at `$.round`"),
        (broken("data['round'] = True"), "Expected `int`, got `bool` - at `$.round`"),
        (
            broken("data['times']['iterations'][0]['total_s'] = None"),
            "`$.times.iterations[0].total_s`",
        ),
        (broken("data['status'] = 'fine'"), "Invalid enum value 'fine' - at `$.status`"),
    ],
)
def test_what_is_not_a_record_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "round-0.json"
    path.write_text(text)
    with pytest.raises(RecordError) as refused:
        read_record(path)
    assert str(refused.value).startswith(str(path))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("import_s", "NaN", '"import_s":)'),
        ("import_s", "-Infinity", "not readable as JSON"),
        ("import_s", "1e999", "Number out of range - at `$.times.import_s`"),
        ("import_s", "9" * 5000, "Number out of range - at `$.times.import_s`"),
        ("position", "9" * 5000, "out of range - at `$.position`"),
        ("position", "7.0", "Expected `int`, got `float` - at `$.position`"),
        ("config", "[" * 100_000, "nested too deep"),
        ("config", '{"a":' * 100_000, "nested too deep"),
        ("config", '{"a": 1e999}', "Number out of range - at `$.config[...]`"),
        ("config", '{"\\ud800": 1}', "not readable as JSON"),
        ("scaled", "[[]]", "Expected `str`, got `array` - at `$.scaled[0]`"),
        ("memory", '{"\\u001b[2J": 1}', "unknown field `\\x1b[2J` - at `$.memory`"),
        ("memory", f'{{"{"k" * 50_000_000}": 1}}', "unknown field `kkk"),
    ],
    ids=range(13),
)
def test_a_hostile_value_is_refused_in_one_short_line(
    tmp_path: Path, field: str, value: str, words: str
) -> None:
    data = msgspec.to_builtins(a_record())
    holder = data["times"] if field in data["times"] else data
    holder[field] = "HERE"
    path = tmp_path / "round-0.json"
    path.write_text(json.dumps(data).replace('"HERE"', value))
    with pytest.raises(RecordError) as refused:
        read_record(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert words in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 2100


def test_of_a_key_that_is_there_twice_the_last_counts(tmp_path: Path) -> None:
    path = record_path(tmp_path, 3)
    write_record(path, a_record())
    path.write_text(path.read_text().replace('"round": 3,', '"round": 9, "round": 3,'))
    assert read_record(path) == a_record()


def test_a_number_that_json_has_no_word_for_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not JSON compliant|Out of range"):
        write_record(
            tmp_path / "round-0.json", structs.replace(a_record(), choices={"x": float("nan")})
        )
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_version_1_is_upgraded(tmp_path: Path) -> None:
    path = record_path(tmp_path, 0)
    write_record(path, structs.replace(a_record(), choices={"attention": "math"}))
    data = json.loads(path.read_text())
    for added in ("energy", "telemetry", "compilation", "profile", "flops", "warnings"):
        del data[added]
    for iteration in data["times"]["iterations"]:
        del iteration["begun_s"], iteration["flags"]
    path.write_text(json.dumps({**data, "schema_version": 1}))
    record = read_record(path)
    assert record.schema_version == SCHEMA_VERSION
    assert record.choices == {"weights": "random", "attention": "math"}
    assert record.runtime_s == 4.0
    assert record.warnings == []
