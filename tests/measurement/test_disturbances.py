"""What disturbed a round, judged by counters and never by its times."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs

from sd_bench.measurement.disturbances import (
    CPU_TIME_LOW,
    QUOTA,
    SHARED,
    STOPPED,
    SUSPENDED,
    WAITED,
    counted_flags,
    disturbances,
)
from sd_bench.measurement.host_counters import HostCounters, between
from sd_bench.measurement.round import measure_round
from sd_bench.measurement.telemetry import Observed
from sd_bench.measurement.telemetry_summary import STOOD_STILL, with_counters
from sd_bench.records import Record, Telemetry
from tests.support.composition import Compose
from tests.support.records import sample_environment, sample_record

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.slow
@pytest.mark.parametrize("telemetry", ["true", "false"])
def test_a_process_that_is_stopped_inside_an_iteration_is_flagged_with_it(
    telemetry: str, tiny: Compose
) -> None:
    config = tiny("attention=math", "protocol.n_iter=3", "sampler.steps=30",
                  f"telemetry={telemetry}")  # fmt: skip
    script = f"read line; sleep 0.1; kill -STOP {os.getpid()}; sleep 0.7; kill -CONT {os.getpid()}"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) as stopper:

        def report(phase: str) -> None:
            if phase == "timed iteration 2 of 3":
                assert stopper.stdin is not None
                stopper.stdin.write(b"now\n")
                stopper.stdin.flush()

        measured = measure_round(config, CPU, 0.0, None, report)
    _, stopped, after = measured.times.iterations
    assert STOPPED in stopped.flags
    assert CPU_TIME_LOW in stopped.flags
    assert stopped.counters["stops"] == 1
    assert STOPPED not in after.flags
    assert (measured.telemetry is None) == (telemetry == "false")


def test_an_iteration_counts_its_own_processor_time_and_that_of_others_apart() -> None:
    burn = "import time\nwhile time.process_time() < 60: pass"
    with (
        HostCounters() as host,
        subprocess.Popen([sys.executable, "-S", "-c", burn]) as other,
    ):
        before = host.read()
        while between(before, host.read())["others_cpu_s"] < 0.2:
            pass
        counted = between(before, host.read())
        other.kill()
    assert counted["cpu_s"] > 0
    assert counted["thread_cpu_s"] <= counted["cpu_s"] + 0.01
    assert counted["idle_s"] >= 0
    assert "busy_s" not in counted


def test_reading_the_counters_takes_less_than_a_millisecond_of_the_processor() -> None:
    with HostCounters() as host:
        used = [host.read()["thread_cpu_s"] for _ in range(50)]
    assert (used[-1] - used[0]) / 49 < 1e-3


FULL = {"cpu_s": 1.4, "thread_cpu_s": 1.0, "idle_s": 0.0, "others_cpu_s": 0.0}


@pytest.mark.parametrize(
    ("counters", "on_cpu", "flags"),
    [
        (FULL, True, []),
        ({}, True, []),
        ({**FULL, "stops": 1.0}, False, [STOPPED]),
        ({**FULL, "suspended_s": 3.0}, False, [SUSPENDED]),
        ({**FULL, "quota_throttled_s": 0.1}, False, [QUOTA]),
        ({**FULL, "thread_cpu_s": 0.7}, True, [CPU_TIME_LOW]),
        ({**FULL, "thread_cpu_s": 0.01}, False, []),  # it waits for the GPU
        ({**FULL, "run_delay_s": 0.2}, False, [WAITED]),
        ({**FULL, "run_delay_s": 0.2}, True, []),  # the CPU time already shows it
        ({**FULL, "others_cpu_s": 0.6}, True, [SHARED]),
        ({**FULL, "others_cpu_s": 0.6, "idle_s": 0.5}, True, []),  # room for all
        ({**FULL, "others_cpu_s": 0.4}, True, []),
    ],
)
def test_each_counter_has_its_flag(
    counters: dict[str, float], on_cpu: bool, flags: list[str]
) -> None:
    """For an iteration of one second on two processors."""
    assert counted_flags(counters, 1.0, 2, on_cpu) == flags


def test_a_short_iteration_is_not_flagged_by_a_tick_or_a_wait() -> None:
    counters = {"thread_cpu_s": 0.0, "others_cpu_s": 0.04, "idle_s": 0.0, "steal_s": 0.01}
    assert counted_flags(counters, 0.02, 2, True) == []


def test_what_stands_still_together_with_its_observer_is_seen_by_the_gap() -> None:
    """A frozen container or a paused machine; on a GPU the CPU time shows nothing."""
    record = sample_record(4.0, 1.0)
    assert record.times is not None
    first, second = record.times.iterations
    iterations = [structs.replace(first, begun_s=10.0), structs.replace(second, begun_s=20.0)]
    at = [9.9, 10.1, 10.3, 13.7, 13.9, 20.0, 20.2]  # none between the two, nor an iteration
    observed = Observed(samples=[{"at": t} for t in at])
    flags = [i.flags for i in with_counters(iterations, observed, CUDA)]
    assert flags == [[STOOD_STILL], []]


def a_record(flags: list[str] | None = None, **changes: Any) -> Record:
    environment = {**sample_environment(), "processor": {"affinity": 2, "quota": None}}
    environment |= changes.pop("environment", {})
    record = sample_record(2.0, 9.0, environment=environment)
    assert record.times is not None
    counters = changes.pop("counters", {})
    iterations = [
        structs.replace(i, flags=flags or [], counters=counters) for i in record.times.iterations
    ]
    return structs.replace(
        record, times=structs.replace(record.times, iterations=iterations), **changes
    )


def load(value: float) -> Telemetry:
    return Telemetry(period_s=0.2, at_s=[0.0], series={"load_average": [value]})


QUIET = {"others_cpu_s": 0.1, "idle_s": 0.0}


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (a_record(), []),  # one iteration is far longer than the other, which is not evidence
        (a_record([STOPPED]), [STOPPED]),
        (a_record(["throttled: hw_thermal_slowdown"]), ["throttled: hw_thermal_slowdown"]),
        (a_record(["throttled: sw_power_cap"]), []),  # as every round under this load
        (a_record([QUOTA]), [QUOTA]),
        (a_record([QUOTA], environment={"processor": {"affinity": 2, "quota": 0.5}}), []),
        (a_record(warnings=["others computed on the GPU (T4) at the start: x"]),
         ["others computed on the GPU (T4) at the start: x"]),
        (a_record(warnings=["torch.compile recompiled 2 times"]), []),
        (a_record(telemetry=load(3.1)), ["the host was busy: load average 3.1 on 2 processors"]),
        (a_record(environment={"host": {"load_average": [1], "load_average_at_end": [3.2]}}),
         ["the host was busy: load average 3.2 on 2 processors"]),
        (a_record(telemetry=load(9.9), counters=QUIET), []),  # counted, so the load is not used
        (a_record(counters={**QUIET, "others_cpu_s": 4.4}),
         ["the host was busy: others had 40% of the 2 processors' time"]),
        (sample_record(status="crashed", reason="x", environment={}), []),
    ],
)  # fmt: skip
def test_disturbances_are_what_passes_and_not_what_lasts(record: Record, found: list[str]) -> None:
    assert disturbances(record) == found


def test_whoever_asks_what_disturbed_a_round_needs_no_torch() -> None:
    code = "import sys; import sd_bench.measurement.disturbances; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
