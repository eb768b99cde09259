"""What changed between two environments, in words."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.history.environment_changes import list_changes

BEFORE = {
    "torch": "2.11.0",
    "torch_build": "PyTorch built with:\n  - GCC 11",
    "packages": {"torch": "2.11.0", "numpy": "2.3.0"},
    "device": {"name": "H100", "driver": "570"},
    "variables": {},
    "source_hash": "aaaa",
    "host": {"kernel": "6.1", "load_average": [1.0]},
    "project": {"git_commit": "abc"},
    "fingerprint": "f1",
}


def words(after: Mapping[str, object]) -> list[str]:
    return [str(change) for change in list_changes(BEFORE, {**BEFORE, **after})]


def test_torch_comes_first_and_what_is_part_of_it_is_left_out() -> None:
    packages = {"torch": "2.15.0", "numpy": "2.4.0"}
    after = {"packages": packages, "torch": "2.15.0", "torch_build": "PyTorch built with:\n  - 13"}
    assert words(after) == ["torch 2.11.0 -> 2.15.0", "numpy 2.3.0 -> 2.4.0"]


def test_facts_have_names_that_people_know() -> None:
    assert words({"device": {"name": "H100", "driver": "580"}}) == ["driver 570 -> 580"]
    assert words({"source_hash": "bbbb"}) == ["sd_bench's measured code changed"]
    assert words({"variables": {"OMP_NUM_THREADS": "1"}}) == ["OMP_NUM_THREADS not set -> 1"]
    assert words({"host": {"kernel": "6.2"}}) == ["kernel 6.1 -> 6.2"]
    assert words({"torch_build": "PyTorch built with:\n  - GCC 13"}) == [
        "torch's build GCC 11 -> GCC 13"
    ]


def test_what_changes_all_the_time_or_was_not_recorded_is_not_a_change() -> None:
    assert words({"fingerprint": "f2", "project": {}, "host": {"kernel": "6.1"}}) == []
    assert words({"memory": {"nodes": 1}}) == []


def test_a_sentence_says_from_what_to_what() -> None:
    (change,) = list_changes(BEFORE, {**BEFORE, "torch": "2.15.0"})
    assert change.sentence == "torch went from 2.11.0 to 2.15.0"
