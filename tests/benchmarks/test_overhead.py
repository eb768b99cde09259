"""Overhead is separated into that of a command and that of each round."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import structs

from benchmarks.overhead import between_rounds, split
from sd_bench.execution.time_account import Account
from tests.support.records import sample_record, sample_times, write_sample


@pytest.mark.parametrize(("once_s", "each_s"), [(2.0, 0.25), (0.0, 0.5), (3.0, 0.0)])
def test_two_sweeps_of_different_length_separate_the_two(once_s: float, each_s: float) -> None:
    short, long = (
        Account(rounds, {"timed calls": 5.0 * rounds, "overhead": once_s + each_s * rounds})
        for rounds in (6, 18)
    )
    assert split(short, long) == pytest.approx((each_s, once_s))


def test_what_passes_between_rounds_is_without_their_workers_and_within_one_job(
    tmp_path: Path,
) -> None:
    times = structs.replace(sample_times(1.0), worker_s=4.0)
    files = []
    for node, began in (("n1", 0), ("n2", 1_000)):
        for number, ended in enumerate((10, 15, 21)):
            record = structs.replace(sample_record(round_index=number), sweep=node, times=times)
            files.append(write_sample(tmp_path / node, record))
            os.utime(files[-1], (began + ended, began + ended))
    assert sorted(between_rounds(files)) == pytest.approx([1.0, 1.0, 2.0, 2.0])
