"""Who leaves the race, and when: by the rule that all verdicts follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sd_bench.tuning.candidates import Candidate, Candidates
from sd_bench.tuning.elimination import LAST_LOOK, judge_units, why_another_picture
from sd_bench.tuning.rows import IN, OUT, RACING, Row
from tests.support.tuning import WORKLOAD, default_row, won

RACER = replace(won("attention=math", score=1.0), status=RACING, compile_s=0.0)
#: Noise of a percent or so, in no step with itself.
NOISE = (1.0, 1.012, 0.995, 1.004, 0.99, 1.008, 1.001, 0.993) * 2


def raced(ratio: float, turns: int, row: Row = RACER) -> Row:
    """``row`` after so many turns in which it took ``ratio`` times as long as its base."""
    shifted = NOISE[3:] + NOISE[:3]
    pairs = zip(NOISE[:turns], shifted[:turns], strict=True)
    return replace(row, units=tuple((base, ratio * own) for base, own in pairs))


def judge(row: Row, images: int = 1000, is_last: bool = False) -> Row:
    return judge_units(row, default_row(), 1, images, 1, is_last=is_last)


def test_nothing_is_decided_before_the_first_look_or_between_two() -> None:
    assert judge(raced(0.5, 5)).status == RACING
    assert judge(raced(0.5, 7)).status == RACING


def test_faster_stays_and_slower_leaves_at_the_first_look() -> None:
    faster = judge(raced(0.5, 6))
    assert faster.status == IN
    assert faster.speedup is not None
    assert 1.95 < faster.speedup < 2.05
    assert faster.low is not None
    assert faster.low > 1.5
    assert faster.score == faster.speedup  # of a base that is the default
    slower = judge(raced(2.0, 6))
    assert (slower.status, slower.reason) == (OUT, "slower")


def test_what_is_not_told_apart_is_dropped_at_the_last_look() -> None:
    undecided = replace(
        RACER, units=tuple((1.0, 1.0 + 0.08 * (-1) ** turn) for turn in range(LAST_LOOK))
    )
    assert judge(undecided).reason == "unclear after 16 turns"
    between = replace(undecided, units=undecided.units[:8])
    assert judge(between).status == RACING
    assert judge(between, is_last=True).status == OUT


def test_a_score_is_over_the_default_by_all_that_led_there() -> None:
    base = won("compile=default", score=1.5)
    found = judge_units(raced(0.5, 6), base, 1, 1000, 1)
    assert found.score is not None
    assert found.speedup is not None
    assert found.score == 1.5 * found.speedup


def test_compiling_must_pay_within_the_images_asked_for() -> None:
    compiled = replace(RACER, overrides=("compile=default",), compile_s=90.0)
    found = judge(raced(0.5, 6, compiled))
    assert found.status == IN
    assert found.break_even_images is not None
    assert 55 < found.break_even_images < 65  # 90 s over 3 calls that save half a second each
    assert judge(raced(0.5, 6, compiled), images=40).status == OUT
    assert judge(raced(0.5, 6, compiled), images=40).reason.startswith("pays off after")


@pytest.mark.slow
def test_a_candidate_that_predicts_something_else_is_not_raced(tmp_path: Path) -> None:
    candidates = Candidates(WORKLOAD, tmp_path)
    default = candidates.default()
    base, same, other = (
        replace(default_row(), sketch=sketch)
        for sketch in ((1.0, 2.0, 2.0), (1.0, 2.0, 2.001), (1.0, 2.0, 1.0))
    )

    def why(row: Row, candidate: Candidate = default) -> str | None:
        return why_another_picture(row, candidate, base, default)

    assert why(same) is None
    found = why(other)
    assert found is not None
    assert "differs by 33 %, at most 0.1 % allowed" in found
    half = candidates.make(("precision=bf16",))
    assert half.planned is not None
    nearly = replace(base, sketch=(1.0, 2.0, 2.1))
    assert why(nearly) is not None
    assert why(nearly, half) is None  # by the tolerance of bf16
