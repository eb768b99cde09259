"""Records of many sweeps to judged histories."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from analysis.errors import AnalysisError
from analysis.history.judgement import JudgedHistory, judge_histories
from analysis.history.points import gather_histories
from analysis.ingest.rounds import load_records
from tests.support.histories import WITHOUT_CHANGE, with_change, write_days

FLASH, MATH = (1, "flash"), (1, "math")
SLOWER_FROM_DAY_8 = {FLASH: with_change(7, 1.12), MATH: list(reversed(WITHOUT_CHANGE))}


def judge(root: Path) -> dict[str, JudgedHistory]:
    judged = judge_histories(gather_histories(load_records(root)))
    return {str(each.history.row["attention"]): each for each in judged}


def test_a_sweep_is_a_point_with_date_commit_and_what_changed(tmp_path: Path) -> None:
    torch = {8: {"torch": "2.15.1", "fingerprint": "beef"}}
    points = judge(write_days(tmp_path, SLOWER_FROM_DAY_8, torch))["flash"].history.points
    assert [point.at.day for point in points] == list(range(1, 13))
    assert [point.commit for point in points[:2]] == ["01c0ffe", "02c0ffe"]
    assert [[str(c) for c in point.changes] for point in points[6:9]] == [
        [], ["torch 2.15.0 -> 2.15.1"], [],
    ]  # fmt: skip
    assert points[0].rounds == 3
    assert points[0].runtime.seconds == pytest.approx(WITHOUT_CHANGE[0], rel=1e-6)


def test_the_ratio_is_of_the_sweeps_means_with_their_spread(tmp_path: Path) -> None:
    judged = judge(write_days(tmp_path, SLOWER_FROM_DAY_8))
    (shift,) = judged["flash"].shifts
    logs = [math.log(value) for value in WITHOUT_CHANGE]
    steady = (sum(logs[7:]) / 5) - (sum(logs[:7]) / 7)
    assert shift.at == 7
    assert shift.ratio == pytest.approx(1.12 * math.exp(steady), rel=1e-4)
    assert shift.low < 1.12 < shift.high
    assert shift.high / shift.low == pytest.approx(math.exp(2 * 2.228 * 0.0096 * 0.5855), abs=3e-3)
    assert shift.is_slower
    assert judged["math"].shifts == ()
    assert 0.02 < (judged["math"].findable or 0) < 0.1


def test_rounds_are_not_replicates(tmp_path: Path) -> None:
    """Sweeps whose rounds agree but which differ from each other show no change."""
    levels = [1.0, 1.2, 0.9, 1.1, 1.25, 0.95, 1.15, 1.0, 1.2, 0.9, 1.1, 1.05]
    assert judge(write_days(tmp_path, {FLASH: levels}))["flash"].shifts == ()


def test_another_machine_has_its_own_history(tmp_path: Path) -> None:
    new = {7: {"machine": {"identity": "b" * 16}, "fingerprint": "beef"}}
    write_days(
        tmp_path, {FLASH: with_change(6, 2.0)}, {1: {"machine": {"identity": "a" * 16}}, **new}
    )
    judged = judge_histories(gather_histories(load_records(tmp_path)))
    assert [len(each.history.points) for each in judged] == [6, 6]
    assert {each.history.machine for each in judged} == {"AMD EPYC (aaaaaa)", "AMD EPYC (bbbbbb)"}
    assert all(not each.shifts and each.findable is None for each in judged)


def test_one_sweep_is_not_a_history(tmp_path: Path) -> None:
    write_days(tmp_path, {FLASH: [1.0]})
    with pytest.raises(AnalysisError, match="one sweep only"):
        gather_histories(load_records(tmp_path))
