"""A result is taken as a record only if a worker can have measured it in this round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from sd_bench.execution.record_check import NotTheRecordError, record_left, stamp_of
from sd_bench.records import Record, write_record
from tests.support.records import sample_record


def result() -> Record:
    record = sample_record(1.0)
    assert record.times is not None
    memory = record.memory
    config = {**record.config, "protocol": {"n_iter": len(record.times.iterations)}}
    assert memory is not None
    return structs.replace(record, config=config)


def left(path: Path, record: Record, asked: Record, **others: Any) -> Record:
    write_record(path, record)
    given: dict[str, Any] = {"before": None, "fingerprints": [], "lived_s": 1000.0}
    return record_left(path, asked=asked, **{**given, **others})


def test_a_round_as_it_should_be_is_taken(tmp_path: Path) -> None:
    assert left(tmp_path / "round-0.json", result(), result()) == result()


def test_a_proof_that_nobody_can_have_is_no_fault_and_a_missed_one_is(tmp_path: Path) -> None:
    unseen = structs.replace(
        result(), kernel_proof=sample_record(1.0, unprovable="why").kernel_proof
    )
    assert left(tmp_path / "round-0.json", unseen, unseen) == unseen
    missed = structs.replace(result(), kernel_proof=sample_record(1.0, proven=False).kernel_proof)
    with pytest.raises(NotTheRecordError, match="without a kernel proof"):
        left(tmp_path / "round-1.json", missed, missed)


def with_iterations(**changes: Any) -> Callable[[Record], Record]:
    def change(record: Record) -> Record:
        assert record.times is not None
        iterations = [structs.replace(i, **changes) for i in record.times.iterations]
        return structs.replace(record, times=structs.replace(record.times, iterations=iterations))

    return change


@pytest.mark.parametrize(
    ("change", "others", "reason"),
    [
        (with_iterations(total_s=0.0), {}, "took no time"),
        (with_iterations(total_s=-1.0), {}, "took no time"),
        (lambda r: r, {"lived_s": 0.5}, "holds more time than the 0.5 s"),
        (lambda r: r, {"fingerprints": ["other"]}, "an environment that cannot be mixed"),
        (lambda r: structs.replace(r, kernel_proof=None), {}, "without a kernel proof"),
        (lambda r: structs.replace(r, output=None), {}, "lacks times, memory, output"),
        (lambda r: structs.replace(r, reason="why"), {}, "for the reason 'why'"),
        (lambda r: structs.replace(r, status="failed"), {}, "for the reason None"),
        (lambda r: structs.replace(r, position=5), {}, "its position"),
        (lambda r: structs.replace(r, environment={"torch": "2"}), {}, "without a fingerprint"),
        (lambda r: structs.replace(r, config={**r.config, "images": "x"}), {}, "its config"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, change: Callable[[Record], Record], others: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotTheRecordError, match=reason):
        left(tmp_path / "round-0.json", change(result()), result(), **others)


def test_more_iterations_than_were_asked_for_are_refused(tmp_path: Path) -> None:
    asked = structs.replace(result(), config={**result().config, "protocol": {"n_iter": 7}})
    with pytest.raises(NotTheRecordError, match="1 of 7 timed"):
        left(tmp_path / "round-0.json", structs.replace(result(), config=asked.config), asked)


def test_infinity_in_any_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "round-0.json"
    write_record(path, result())
    text = path.read_text()
    assert '"import_s": 2.0' in text
    path.write_text(text.replace('"import_s": 2.0', '"import_s": Infinity'))
    with pytest.raises(NotTheRecordError, match="not readable as JSON"):
        record_left(path, None, result(), [], 1000.0)


def test_the_record_of_an_earlier_attempt_is_none_of_this_one(tmp_path: Path) -> None:
    """As after ``retry_failed=true``, with a worker that ends without a report."""
    path = tmp_path / "round-0.json"
    write_record(path, result())
    before = stamp_of(path)
    with pytest.raises(NotTheRecordError, match="wrote no record"):
        record_left(path, before, result(), [], 1000.0)
    write_record(path, structs.replace(result()))
    assert record_left(path, before, result(), [], 1000.0) == result()
