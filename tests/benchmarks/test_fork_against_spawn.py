"""The ratio of forked to spawned rounds, and how long a whole round of each takes."""

from __future__ import annotations

import math

import pytest
from msgspec import structs

from benchmarks.fork_against_spawn import compare, describe
from sd_bench.records import Record
from tests.support.records import sample_record


def rounds(kind: str, *runtimes_s: float) -> list[Record]:
    """The rounds of one kind of worker, at every other position."""
    found = []
    for index, seconds in enumerate(runtimes_s):
        record = sample_record(seconds, round_index=index)
        environment = {**record.environment, "worker": {"kind": kind}}
        config = {**record.config, "protocol": {"worker": kind}}
        position = 2 * index + (kind == "fork")
        found.append(
            structs.replace(record, environment=environment, config=config, position=position)
        )
    return found


def test_equal_rounds_are_equal_and_forked_ones_are_shorter_as_a_whole() -> None:
    spawned, forked = rounds("spawn", 2.0, 2.02, 1.98, 2.0), rounds("fork", 2.01, 2.0, 2.0, 1.99)
    records = sorted([*spawned, *forked], key=lambda record: record.position)
    written_at = [0.0, 3.0, 10.0, 13.0, 20.0, 23.0, 30.0, 33.0]
    found = compare(records, written_at)
    assert (found.kinds["fork"].round_s, found.kinds["spawn"].round_s) == (3.0, 7.0)
    assert found.pairs == 4
    mean = (math.log(2.01 / 2) + math.log(2 / 2.02) + math.log(2 / 1.98) + math.log(1.99 / 2)) / 4
    assert found.ratio == pytest.approx(math.exp(mean))
    assert found.low < found.ratio < found.high
    text = describe(found, records[0])
    assert "| fork | 4 | 2.0000 |" in text
    assert text.endswith("equal within 2%.")


def test_a_round_that_was_not_forked_as_asked_ends_the_benchmark() -> None:
    (record,) = rounds("spawn", 2.0)
    asked = structs.replace(record, config={**record.config, "protocol": {"worker": "fork"}})
    with pytest.raises(SystemExit, match=r"round 0 \(spawn\)"):
        compare([record, asked], [0.0, 1.0])
