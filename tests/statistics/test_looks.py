"""All looks of a sweep, computed from its rounds."""

import numpy as np
import pytest

from benchmarks.calibration.new_rule import follow, levels_of
from benchmarks.calibration.noise import KINDS, log_ratios
from sd_bench.statistics.decision import FASTER, SAME, SLOWER, UNCLEAR
from sd_bench.statistics.looks import follow_looks
from sd_bench.statistics.paired import Sides
from sd_bench.statistics.sequential import plan_looks

CODES = {"faster": FASTER, "slower": SLOWER, "same": SAME, "unclear": UNCLEAR}
PLAN = plan_looks(10)


def sides(log_ratios: np.ndarray) -> Sides:
    return dict(enumerate(np.exp(log_ratios))), dict.fromkeys(range(len(log_ratios)), 1.0)


def noisy(rounds: int, mean: float, spread: float, seed: int = 0) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).standard_normal(rounds)


@pytest.mark.parametrize("kind", ["normal", "two speeds", "2 % outliers of 5x", "AR(1) 0.6"])
def test_the_simulation_judges_as_this_does(kind: str) -> None:
    ratios = log_ratios(KINDS[kind].draw(np.random.default_rng(5), (25, 4, 10)), 0.006)
    outcome = follow(ratios, levels_of(PLAN, 3))
    decided = 0
    for table, words, rounds in zip(ratios, outcome.words, outcome.rounds, strict=True):
        judgements = follow_looks([sides(row) for row in table], PLAN).judgements
        assert [CODES[judgement.word] for judgement in judgements] == words.tolist()
        assert [judgement.estimate.rounds for judgement in judgements] == rounds.tolist()
        decided += sum(judgement.decided for judgement in judgements)
    assert decided > 0 or kind == "two speeds"


def test_what_was_decided_stays_so_when_others_get_more_rounds() -> None:
    clear, unclear = noisy(6, 0.2, 0.01), noisy(10, 0.01, 0.02, 1)
    then = follow_looks([sides(clear), sides(unclear[:6])], PLAN).judgements[0]
    slow_drift = np.linspace(-0.1, 0.1, 10)
    for more in (unclear, unclear + slow_drift):
        now = follow_looks([sides(clear), sides(more)], PLAN).judgements[0]
        assert now.word == then.word == "faster"
    assert now.interval == pytest.approx(then.interval, rel=0.05)


def test_more_rounds_of_a_decided_comparison_change_nothing() -> None:
    clear = noisy(10, 0.2, 0.01)
    (early,) = follow_looks([sides(clear[:6])], PLAN).judgements
    (late,) = follow_looks([sides(clear)], PLAN).judgements
    assert late.estimate.rounds == 6
    assert late.interval == early.interval


def test_a_sweep_that_ended_between_two_looks_is_judged_where_it_ended() -> None:
    (judgement,) = follow_looks([sides(noisy(7, 0.012, 0.03))], PLAN).judgements
    assert judgement.estimate.rounds == 7


def test_a_round_that_one_side_lacks_is_not_a_pair() -> None:
    baseline, cell = sides(noisy(10, 0.001, 0.03))
    fewer = {key: seconds for key, seconds in cell.items() if key != 4}
    (judgement,) = follow_looks([(baseline, fewer)], PLAN).judgements
    assert judgement.estimate.rounds == 9


def test_too_few_rounds_for_a_look_have_estimates() -> None:
    (judgement,) = follow_looks([sides(noisy(3, 0.2, 0.01))], PLAN).judgements
    assert judgement.too_few_rounds
    assert judgement.estimate.speedup == pytest.approx(1.22, abs=0.03)


def test_nothing_to_compare_and_more_rounds_than_planned_are_refused() -> None:
    with pytest.raises(ValueError, match="no comparison"):
        follow_looks([], PLAN)
    with pytest.raises(ValueError, match="more than the 20 of the plan"):
        follow_looks([sides(noisy(21, 0.0, 0.03))], PLAN)
