"""The simulation behind the promises of docs/statistics.md, with fewer tables."""

import numpy as np
import pytest

from benchmarks.analysis_calibration import FIXED, LOOKING, PARTS, after
from benchmarks.calibration.new_rule import judge_unpaired
from benchmarks.calibration.noise import KINDS
from sd_bench.statistics.decision import DEFAULT_MARGIN, FASTER, SAME
from sd_bench.statistics.sequential import LookPlan, plan_fixed

TABLES = 500

#: How much chance may add to a share of 5 % with this number of tables.
SLACK = 0.025

PLANS = [*FIXED.values(), *LOOKING.values()]


@pytest.mark.parametrize("plan", PLANS, ids=[*FIXED, *LOOKING])
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_verdicts_and_intervals_are_as_promised(kind: str, plan: LookPlan) -> None:
    outcome = after(kind, plan, TABLES)
    assert outcome.wrong <= KINDS[kind].most_wrong + SLACK
    assert outcome.coverage() >= KINDS[kind].least_cover - SLACK


@pytest.mark.parametrize("kind", KINDS)
def test_two_equal_sweeps_differ_as_rarely_as_promised(kind: str) -> None:
    for rounds in (6, 10):
        noise = KINDS[kind].draw(np.random.default_rng(rounds), (TABLES, 10, rounds))
        wrong, covered = judge_unpaired(
            noise[:, :5], noise[:, 5:], plan_fixed(rounds).level(rounds, 5)
        )
        assert wrong <= KINDS[kind].most_wrong + SLACK
        assert covered >= KINDS[kind].least_cover - SLACK


@pytest.mark.parametrize(("kind", "least"), [("normal", 0.95), ("2 % outliers of 5x", 0.85)])
def test_two_percent_are_found_in_ten_rounds(kind: str, least: float) -> None:
    for plan in (FIXED["fixed 10"], LOOKING["looks 10"]):
        assert after(kind, plan, TABLES, 0.02).share(FASTER) >= least


@pytest.mark.parametrize("plan", PLANS, ids=[*FIXED, *LOOKING])
def test_what_differs_by_the_margin_is_rarely_the_same(plan: LookPlan) -> None:
    words = after("normal", plan, TABLES, DEFAULT_MARGIN).words
    assert (words == SAME).any(axis=1).mean() <= 0.05


def test_looking_saves_rounds_where_the_difference_is_clear() -> None:
    outcome = after("normal", LOOKING["looks 20"], TABLES, 0.05)
    assert outcome.share(FASTER) > 0.99
    assert outcome.rounds.mean() < 7


def test_an_extension_decides_more_and_errs_no_more() -> None:
    plan = plan_fixed(10)
    assert after("coarse", plan, TABLES, 0.02, True).share(FASTER) > after(
        "coarse", plan, TABLES, 0.02
    ).share(FASTER)
    assert after("coarse", plan, TABLES, 0.0, True).wrong <= 0.05 + SLACK


@pytest.mark.parametrize("kind", KINDS)
def test_noise_has_the_shape_that_was_asked_for_and_the_same_true_time(kind: str) -> None:
    noise = KINDS[kind].draw(np.random.default_rng(0), (2000, 4, 6))
    assert noise.shape == (2000, 4, 6)
    cells = noise.mean(axis=(0, 2))
    assert np.ptp(cells) < 0.01


@pytest.mark.parametrize("part", ["wrong", "same", "saved", "advice", "bootstrap", "flags"])
def test_every_part_prints_a_line_for_each_case(part: str) -> None:
    lines = list(PARTS[part](4))
    assert lines[0].startswith("\n")
    assert all(len(line.split()) > 1 for line in lines)
