"""The runtime of a single cell."""

import numpy as np
import pytest
from scipy import stats

from sd_bench.statistics.runtime import typical_runtime, typical_runtimes


def test_it_is_the_geometric_mean_with_its_t_interval() -> None:
    logs = np.log([5.0, 5.1, 4.9, 5.05])
    found = typical_runtime(np.exp(logs).tolist())
    interval = stats.t.interval(0.95, 3, logs.mean(), stats.sem(logs))
    assert found.seconds == pytest.approx(np.exp(logs.mean()))
    assert (found.low, found.high) == pytest.approx(tuple(np.exp(interval)))
    assert found.disturbed == ()


def test_one_disturbed_round_of_six_does_not_move_it() -> None:
    found = typical_runtime([4.1, 4.05, 27.7, 4.1, 4.15, 4.2])
    assert found.disturbed == (2,)
    assert 4.0 < found.low < found.seconds < found.high < 4.25


def test_one_round_has_no_interval() -> None:
    found = typical_runtime([3.0])
    assert found.seconds == pytest.approx(3)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_no_round_is_refused() -> None:
    with pytest.raises(ValueError, match="no round"):
        typical_runtime([])


def test_many_cells_have_the_runtimes_that_each_has_alone() -> None:
    cells = [[5.0, 5.1, 4.9], [3.0], [4.1, 4.05, 27.7, 4.1, 4.15, 4.2], [2.0, 2.2, 2.1]]
    many = typical_runtimes(cells)
    assert repr(many) == repr([typical_runtime(seconds) for seconds in cells])
    assert typical_runtimes([]) == []
