"""Who is in the final: as many as can have rounds enough for verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sd_bench.tuning.candidates import Candidates
from sd_bench.tuning.line_up import DOCUMENTED, LineUp, line_up
from sd_bench.tuning.rows import OUT, Row, by_score
from tests.support.tuning import WORKLOAD, default_row, won

pytestmark = pytest.mark.slow

MATH, ORIGINAL = ("attention=math",), ("attention=original",)
COMPILED = ("compile=default",)


@pytest.fixture
def candidates(tmp_path: Path) -> Candidates:
    return Candidates(WORKLOAD, tmp_path)


def finalists(candidates: Candidates, left_s: float, *rows: Row) -> LineUp:
    everything = [default_row(), *rows]
    return line_up(by_score(everything), everything, candidates, left_s, 100.0)


def names(found: LineUp) -> list[tuple[str, ...]]:
    return [finalist.candidate.overrides for finalist in found.finalists]


def test_the_last_two_and_the_default_with_as_many_rounds_as_fit(candidates: Candidates) -> None:
    rows = (won(*MATH, score=1.2), won(*ORIGINAL, score=1.5))
    # a round of the default takes 12 s, of the others 11.3 and 10.7: 34 s for one of each
    found = finalists(candidates, 250.0, *rows)
    assert names(found) == [(), ORIGINAL, MATH]
    assert 240 < found.least_s < 250
    assert found.rivals == (1, 2)
    assert found.rounds == 6
    assert DOCUMENTED in found.left_out
    assert finalists(candidates, 330.0, *rows).rounds == 8
    assert finalists(candidates, 450.0, *rows).rounds == 10  # and no more


def test_one_whose_rounds_take_too_long_is_left_out_with_what_it_would_need(
    candidates: Candidates,
) -> None:
    compiled = won(*COMPILED, score=2.0, ready_s=100.0, compile_s=90.0)
    found = finalists(candidates, 300.0, compiled, won(*MATH, score=1.2))
    assert names(found) == [(), MATH]
    assert found.rivals == (1,)
    assert found.left_out[COMPILED] == (
        "6 rounds of it, of about 102 s each, did not fit into the rest of the budget; "
        "budget=15min would probably be enough"
    )
    alone = finalists(candidates, 300.0, compiled)  # better a few rounds than none
    assert names(alone) == [(), COMPILED]
    assert alone.least_s > 300.0
    assert alone.left_out.keys() == {DOCUMENTED}


def test_where_nothing_has_won_the_default_stands_against_the_nearest(
    candidates: Candidates,
) -> None:
    found = finalists(candidates, 300.0, replace(won(*MATH, score=0.97), status=OUT))
    assert names(found) == [(), MATH]
    assert found.rivals == (0, 1)


def test_what_is_documented_takes_part_where_there_is_time(candidates: Candidates) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed: sd_bench[diffusers]")
    found = finalists(candidates, 3000.0, won(*MATH, score=1.2))
    assert names(found) == [(), MATH, DOCUMENTED]
    assert found.left_out == {}


def test_a_number_of_rounds_that_is_typed_holds(tmp_path: Path) -> None:
    candidates = Candidates((*WORKLOAD, "protocol.rounds=2"), tmp_path)
    assert finalists(candidates, 900.0, won(*MATH, score=1.2)).rounds == 2
