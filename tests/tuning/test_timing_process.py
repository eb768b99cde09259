"""A candidate's process: ready, timed, and lost in every way that one can be."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sd_bench.execution.slots import Slot
from sd_bench.tuning.candidates import Candidates
from sd_bench.tuning.timing_process import CandidateLostError, TimingProcess
from tests.support.tuning import WORKLOAD


@pytest.fixture
def process(tmp_path: Path) -> Iterator[TimingProcess]:
    started = TimingProcess(Candidates(WORKLOAD, tmp_path).default(), Slot())
    yield started
    started.close()


def lost(process: TimingProcess, limit_s: float = 60.0) -> CandidateLostError:
    with pytest.raises(CandidateLostError) as raised:
        process.time(1, limit_s)
    return raised.value


@pytest.mark.slow
def test_it_times_calls_until_it_is_killed(process: TimingProcess) -> None:
    ready = process.make_ready(120)
    assert ready.num_calls == 3  # PLMS with two steps
    assert ready.ready_s > ready.first_call_s > 0
    assert len(ready.sketch) == 64
    assert ready.memory_bytes > 1e8
    assert ready.device_peak is None
    assert all(0 < process.time(2, 60) < 10 for _ in range(3))
    os.kill(process.pid, signal.SIGSTOP)  # it hangs
    assert lost(process, limit_s=0.5).status == "timeout"
    os.kill(process.pid, signal.SIGKILL)
    found = lost(process)
    assert (found.status, str(found)) == (
        "crashed", "killed (SIGKILL), as Linux does when memory runs out",
    )  # fmt: skip
