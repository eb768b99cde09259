"""The figures of the A/A benchmark, compared with those of SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec import structs

from benchmarks.a_a import describe, describe_pairs, drift_over, gate_pairs, paired_ratio
from tests.support.commands import SMOKE
from tests.support.records import sample_record

stats = pytest.importorskip("scipy.stats")
FIRST, SECOND = [2.0, 2.1, 1.9, 2.05], [2.1, 2.0, 2.0, 2.1]


def test_the_ratio_is_that_of_a_paired_t_interval_of_logarithms() -> None:
    found = paired_ratio(FIRST, SECOND)
    logs = np.log(np.array(SECOND) / np.array(FIRST))
    low, high = stats.t.interval(0.95, 3, loc=logs.mean(), scale=stats.sem(logs))
    assert found.value == pytest.approx(math.exp(logs.mean()))
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))


def test_the_drift_is_that_of_a_linear_regression() -> None:
    seconds = [*FIRST, *SECOND]
    found = drift_over(seconds)
    line = stats.linregress(range(8), seconds)
    scale = 7 / np.mean(seconds)
    half_width = stats.t.ppf(0.975, 6) * line.stderr
    assert found.value == pytest.approx(line.slope * scale)
    assert found.high - found.low == pytest.approx(2 * half_width * scale)


def test_the_account_has_both_names_their_order_and_the_warnings() -> None:
    records = [
        structs.replace(
            sample_record(seconds, preset=name, round_index=index // 2),
            warnings=["the host was busy"],
        )
        for index, (name, seconds) in enumerate(zip("ABBA", FIRST, strict=True))
    ]
    account = describe(records)
    assert "| A | 2 | 2.0250 | 0.0354 | 2.0000 | 2.0500 | 1.75 % |" in account
    assert "In order: A 2.0000, B 2.1000, B 1.9000, A 2.0500." in account
    assert account.endswith("Rounds with a warning: 4; such as: the host was busy.")


@pytest.mark.slow
def test_pairs_of_real_sweeps_go_through_the_gate() -> None:
    """One round each, too few to decide anything."""
    ((code, heading),) = gate_pairs(1, ["-m", *SMOKE, "protocol.rounds=1"], "slower:5%")
    assert (code, heading) == (3, "1 cells: 1 too few rounds")


def test_wrong_and_undecided_pairs_are_counted() -> None:
    text = describe_pairs([(0, "2 cells: 2 same"), (1, "2 cells: 1 same, 1 slower"), (3, "x")])
    assert "| 2 | wrong | 2 cells: 1 same, 1 slower |" in text
    assert text.endswith("\n3 pairs: 1 passed, 1 wrong, 1 undecided.")
