"""E-Divisive: divergence worked out by hand, permutations counted, and the family of series."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from analysis.history.change_points import ERROR, Change, _measure, find_changes, find_p
from analysis.history.power import fewest_sweeps, findable_shift
from tests.support.histories import WITHOUT_CHANGE, with_change


def numbered(values: list[float] | tuple[float, ...]) -> dict[int, float]:
    return dict(enumerate(values))


def by_definition(values: list[float]) -> tuple[float, int]:
    """Matteson and James' equations 4 and 5, one pair of values at a time."""

    def mean(pairs: list[tuple[float, float]]) -> float:
        return float(np.mean([abs(a - b) for a, b in pairs]))

    best = (-np.inf, 0)
    for end in range(4, len(values) + 1):
        for split in range(2, end - 1):
            x, y = values[:split], values[split:end]
            energy = 2 * mean([(a, b) for a in x for b in y])
            energy -= mean(list(combinations(x, 2))) + mean(list(combinations(y, 2)))
            best = max(best, (len(x) * len(y) / end * energy, split))
    return best


def test_the_split_is_the_one_of_the_definition() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        values = rng.standard_normal(9)
        gains, place = _measure(values, np.arange(9)[None, :])
        scale = np.mean([abs(a - b) for a, b in combinations(values, 2)])
        divergence, split = by_definition(values.tolist())
        assert place == split
        assert gains[0] * scale == pytest.approx(divergence)


def test_a_clear_change_is_as_rare_as_exchanges_within_its_sides() -> None:
    values = np.array([1.0, 1.1, 1.2, 1.3, 9.0, 9.1, 9.2, 9.3])
    assert find_p(values) == pytest.approx(2 / 70, abs=0.01)


def test_a_change_is_found_where_it_is_and_in_no_other_series() -> None:
    changed, steady = find_changes([numbered(with_change(7, 1.1)), numbered(WITHOUT_CHANGE)])
    assert [change.at for change in changed] == [7]
    assert changed[0].p < 0.02
    assert steady == []


def test_a_change_back_is_a_second_change() -> None:
    values = [v * (1.3 if 8 <= at < 16 else 1) for at, v in enumerate(WITHOUT_CHANGE * 2)]
    (found,) = find_changes([numbered(values)])
    assert [change.at for change in found] == [8, 16]


def test_a_single_disturbed_sweep_is_not_a_change() -> None:
    values = list(WITHOUT_CHANGE)
    values[5] *= 3
    assert find_changes([numbered(values)]) == [[]]


def test_more_cells_make_a_change_harder_to_find_and_shared_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    changed = numbered(with_change(6, 1.06))
    others = [numbered((1 + 0.01 * rng.standard_normal(12)).tolist()) for _ in range(5)]
    alone, among = (find_changes(family)[0] for family in ([changed], [changed, *others]))
    together = find_changes([changed] * 6)[0]
    assert alone[0].p < among[0].p <= ERROR
    assert together[0].p == alone[0].p


def test_equal_series_have_equal_answers_and_constant_or_short_ones_none() -> None:
    series = [numbered(with_change(6, 1.2)), numbered([2.0] * 12), numbered([1.0, 2.0, 3.0])]
    first = find_changes(series)
    assert first == find_changes(series)
    assert first[1:] == [[], []]
    assert isinstance(first[0][0], Change)


def test_series_may_lack_sweeps() -> None:
    values = {at: v for at, v in enumerate(with_change(7, 1.2)) if at != 3}
    (found,) = find_changes([values])
    assert [change.at for change in found] == [6]


def test_it_is_known_when_sweeps_are_too_few_to_find_a_change() -> None:
    assert [fewest_sweeps(num_cells) for num_cells in (1, 6)] == [8, 10]
    assert findable_shift(7, 1) is None
    clear = numbered([1.0, 1.1, 1.2, 9.0, 9.1, 9.2, 9.3])
    assert find_changes([clear]) == [[]]


@pytest.mark.slow
def test_more_sweeps_find_smaller_changes() -> None:
    few, many = findable_shift(10, 1), findable_shift(20, 1)
    assert few is not None
    assert many is not None
    assert 1 < many < few < 6
    assert findable_shift(96, 1) == pytest.approx((findable_shift(24, 1) or 0) / 2)
