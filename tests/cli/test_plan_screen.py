"""What a plan shows: rounds grouped together, and the total of their times."""

from __future__ import annotations

import io

from rich.console import Console

from sd_bench.cli.plan_screen import compact, show_plan
from sd_bench.execution.finished_rounds import Finished, nothing_finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.time_estimate import Estimate
from tests.support.composition import Compose
from tests.support.plans import planned_cell
from tests.support.records import sample_record


def shown(plan: list[PlannedCell], finished: Finished, times: list[Estimate | None]) -> str:
    stream = io.StringIO()
    show_plan(Console(file=stream, width=160), plan, finished, times)
    return stream.getvalue()


def test_numbers_that_follow_each_other_are_drawn_together() -> None:
    assert compact([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert compact([]) == ""


def test_the_total_is_of_what_is_left_and_says_what_it_does_not_know(
    compose_config: Compose,
) -> None:
    plan = [
        planned_cell(compose_config, "attention=math"),
        planned_cell(compose_config, "attention=flash"),
        planned_cell(compose_config, "attention=xformers", reason="xFormers needs CUDA"),
    ]
    there = sample_record(1.0)
    done = Finished({(0, 0): there, (0, 1): there}, {}, {}, {0, 1})
    text = shown(plan, done, [Estimate(5.0, is_own=True), None, None])
    assert "6 round(s) to run: about 10 s one after another, and 4 round(s) without" in text
    assert "unsupported: xFormers needs CUDA" in text
    assert "0-3" in text
    assert "0-1" in text
    nothing_known = shown(plan[:2], nothing_finished(), [None, None])
    assert "8 round(s) to run, no estimate" in nothing_known
