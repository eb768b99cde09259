"""A mean that a few disturbed rounds do not change."""

import numpy as np
import pytest
from scipy import stats

from sd_bench.statistics import robust_mean as module
from sd_bench.statistics.robust_mean import find_disturbed, is_doubtful, robust_mean


def noise(rounds: int, tables: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((tables, rounds))


def test_without_a_disturbed_round_it_is_the_ordinary_mean_and_its_t_interval() -> None:
    values = np.array([1.0, 1.2, 0.9, 1.1, 1.05, 0.97, 1.01, 1.13])
    mean = robust_mean(values)
    assert float(mean.center) == pytest.approx(values.mean())
    assert float(mean.se) == pytest.approx(stats.sem(values))
    assert float(mean.df) == 7
    assert mean.kept.all()


def test_one_disturbed_round_of_six_is_set_aside() -> None:
    values = np.array([0.18, 0.2, -1.4, 0.19, 0.21, 0.2])
    mean = robust_mean(values)
    assert mean.kept.tolist() == [True, True, False, True, True, True]
    assert float(mean.center) == pytest.approx(0.196)
    assert float(mean.df) == 4


def test_two_disturbed_rounds_of_ten_cannot_hide_each_other() -> None:
    values = np.append(noise(8)[0], [50.0, 52.0])
    assert find_disturbed(values).tolist() == [False] * 8 + [True] * 2


def test_at_most_a_fifth_is_set_aside() -> None:
    values = np.append(noise(8)[0], [500.0, -520.0, 510.0])
    assert find_disturbed(values).sum() <= 2


def test_a_disturbance_of_any_size_moves_the_mean_no_further() -> None:
    rest = noise(9)[0]
    moved = [float(robust_mean(np.append(rest, size)).center) for size in (50.0, 5000.0)]
    assert moved[0] == moved[1] == pytest.approx(rest.mean())


def test_values_of_normal_noise_are_rarely_set_aside() -> None:
    for rounds in (6, 10, 20):
        share = find_disturbed(noise(rounds, tables=4000)).any(axis=1).mean()
        assert share < 0.006


def test_equal_values_have_no_spread_and_none_is_set_aside() -> None:
    mean = robust_mean(np.full(8, 0.1))
    assert mean.kept.all()
    assert float(mean.se) == 0


def test_one_value_alone_among_equal_ones_is_set_aside() -> None:
    assert find_disturbed(np.array([0.1] * 7 + [0.3])).tolist() == [False] * 7 + [True]


def test_a_single_value_has_no_standard_error() -> None:
    mean = robust_mean(np.array([0.3]))
    assert float(mean.center) == 0.3
    assert np.isnan(mean.se)


def test_many_series_at_once_are_each_as_alone() -> None:
    values = noise(10, tables=50)
    values[3, 2] = values[7, 5] = 30
    together = robust_mean(values)
    for at, row in enumerate(values):
        alone = robust_mean(row)
        assert float(together.center[at]) == float(alone.center)
        assert float(together.se[at]) == float(alone.se)
        assert together.kept[at].tolist() == alone.kept.tolist()


def test_critical_values_are_those_that_rosner_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASIDE_ERROR", 0.05)
    monkeypatch.setattr(module, "_critical_values", module._critical_values.__wrapped__)
    published = [3.159, 3.151, 3.144, 3.136, 3.128, 3.120, 3.112, 3.103, 3.094, 3.085]
    assert module._critical_values(54) == pytest.approx(published, abs=0.001)


def test_a_difference_that_hangs_on_leaving_out_an_ordinary_round_is_doubtful() -> None:
    five_alike = np.array([0.05, 0.0501, 0.0499, 0.05, 0.0502])
    ordinary = dict.fromkeys((0.0, -0.05, 0.02), True)
    speaking_for_it = dict.fromkeys((-0.2, 0.04, 0.055, 0.4), False)
    for other, doubtful in (ordinary | speaking_for_it).items():
        values = np.append(five_alike, other)
        mean = robust_mean(values)
        assert not mean.kept[5]
        assert bool(is_doubtful(values, mean)) is doubtful


@pytest.mark.parametrize(
    ("rounds", "against", "doubtful"), [(6, 1, True), (8, 1, True), (10, 1, False), (10, 2, True)]
)
def test_the_more_rounds_the_more_must_speak_against_a_difference(
    rounds: int, against: int, doubtful: bool
) -> None:
    values = 0.05 + 1e-4 * np.linspace(-1, 1, rounds)
    values[:against] = 0.0
    mean = robust_mean(values)
    assert (~mean.kept).sum() == against
    assert bool(is_doubtful(values, mean)) is doubtful


def test_a_mildly_disturbed_round_does_not_hide_a_clear_difference() -> None:
    """Noise of 0.2 %, one round in thirty 2 % slower: 20 % are found in ten rounds."""
    chance = np.random.default_rng(0)
    logs = 0.002 * chance.standard_normal((500, 2, 10)) + 0.02 * (
        chance.random((500, 2, 10)) < 0.03
    )
    ratios = logs[:, 0] - logs[:, 1] + np.log(1.2)
    assert is_doubtful(ratios, robust_mean(ratios)).sum() == 0
