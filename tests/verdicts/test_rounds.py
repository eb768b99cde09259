"""Records as rounds: what many of them have in common is read once, and is still each one's own."""

from __future__ import annotations

from sd_bench.verdicts.rounds import read_round
from tests.support.records import sample_record


def test_choices_that_python_calls_equal_are_told_apart() -> None:
    found = [read_round(sample_record(upcast=upcast)).choices for upcast in (True, 1, 1.5)]
    assert [choices["upcast"] for choices in found] == ["true", 1, 1.5]


def test_the_choices_of_a_round_are_its_own() -> None:
    record = sample_record(attention="math")
    read_round(record).choices["attention"] = "flash"
    assert read_round(record).choices["attention"] == "math"


def test_rounds_that_differ_in_the_picture_alone_have_it_among_their_choices() -> None:
    seeds = [
        read_round(sample_record(config={"workload": {"seed": seed}})).choices["seed"]
        for seed in (1, 2)
    ]
    assert seeds == [1, 2]
