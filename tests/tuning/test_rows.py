"""Screening is a kind of record of its own: kept, read again, and never read as rounds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sd_bench.records import RecordError, find_records, read_record
from sd_bench.tuning.rows import (
    FILE,
    NOT_TRIED,
    OUT,
    Row,
    by_score,
    read_screening,
    write_screening,
)
from tests.support.tuning import default_row, won

ROWS = [
    replace(default_row(), sketch=(1.0, 2.0)),
    replace(won("compile=default", score=1.5), units=((1.0, 0.7), (1.1, 0.8))),
    Row(overrides=("attention=xformers",), status="unsupported", reason="needs CUDA"),
]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    about = {"workload": {"batch_size": 1}, "typed": ["gpu=cpu"]}
    write_screening(tmp_path, about, ROWS)
    assert read_screening(tmp_path) == (about, ROWS)


def test_nothing_reads_it_as_a_round(tmp_path: Path) -> None:
    write_screening(tmp_path, {}, ROWS)
    assert list(find_records(tmp_path)) == []
    renamed = (tmp_path / FILE).rename(tmp_path / "round-0.json")
    with pytest.raises(RecordError):  # not even under a round's name
        read_record(renamed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.update(kind="another"),
        lambda data: data.update(schema_version=99),
        lambda data: data["rows"][0].update(call_s=-1),
        lambda data: data["rows"][0].update(call_s=None),
        lambda data: data["rows"][0].update(unknown=1),
        lambda data: data["rows"].append(7),
        lambda data: data.pop("rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_none(tmp_path: Path, damage: object) -> None:
    write_screening(tmp_path, {}, ROWS)
    data = json.loads((tmp_path / FILE).read_text())
    assert callable(damage)
    damage(data)
    (tmp_path / FILE).write_text(json.dumps(data))
    assert read_screening(tmp_path) is None
    (tmp_path / FILE).write_text("{")
    assert read_screening(tmp_path) is None


def test_the_fastest_go_first_and_the_default_takes_part() -> None:
    default, fast, faster = default_row(), won("a=1", score=1.2), won("b=1", score=1.5)
    slow = replace(won("c=1", score=0.9), status=OUT)
    assert by_score([default, fast, slow, faster]) == [faster, fast, default]
    nearest = replace(won("d=1", score=0.99), status=OUT)
    assert by_score([default, slow, nearest]) == [default, nearest]  # nothing has won
    late = Row(overrides=("e=1",), status=NOT_TRIED)
    assert by_score([default, late]) == [default]
