"""What the telemetry's samples mean: words for bits, and disturbed iterations."""

from __future__ import annotations

import os

import pytest
import torch

from sd_bench.measurement.disturbances import OTHERS_ON_GPU
from sd_bench.measurement.telemetry import Observed
from sd_bench.measurement.telemetry_process import other_processes
from sd_bench.measurement.telemetry_summary import (
    CLOCK_EVENT_REASONS,
    energy_record,
    reasons_in_words,
    telemetry_record,
    with_counters,
)
from sd_bench.records import Iteration

CPU = torch.device("cpu")
IDLE, APPLICATION_CLOCKS, POWER_CAP, HOT, UNDOCUMENTED = 0x1, 0x2, 0x4, 0x40, 0x800


def iteration(begun_s: float, total_s: float = 1.0) -> Iteration:
    return Iteration(
        total_s=total_s, text_encode_s=0.0, denoise_s=total_s, vae_decode_s=0.0,
        steps_s=[total_s], begun_s=begun_s,
    )  # fmt: skip


def sample(at: float, reasons: int) -> dict[str, float]:
    return {"at": at, "power_w": 100 * at, "clock_event_reasons": reasons}


def flags_of(*samples: dict[str, float]) -> list[list[str]]:
    """The flags of two iterations, from 10 to 11 and from 20 to 21."""
    flagged = with_counters([iteration(10.0), iteration(20.0)], Observed(list(samples)), CPU)
    return [i.flags for i in flagged]


def test_a_throttled_sample_flags_the_iteration_that_it_overlaps() -> None:
    assert flags_of(sample(20.5, POWER_CAP)) == [[], ["throttled: sw_power_cap"]]
    assert flags_of(sample(10.95, HOT), sample(10.5, HOT | POWER_CAP | APPLICATION_CLOCKS)) == [
        ["throttled: hw_thermal_slowdown", "throttled: sw_power_cap"], [],
    ]  # fmt: skip


def test_a_process_that_computes_on_the_gpu_meanwhile_flags_the_iteration() -> None:
    assert flags_of({**sample(20.5, IDLE), "other_processes": 1}) == [[], [OTHERS_ON_GPU]]
    assert flags_of({**sample(20.5, IDLE), "other_processes": 0}) == [[], []]


def test_the_worker_itself_does_not_count_as_another_process() -> None:
    worker = os.getppid()
    assert other_processes([worker]) == other_processes([]) == 0
    assert other_processes([worker, 1]) == 1
    assert other_processes([7]) == 0  # the worker, by its number outside the container
    assert other_processes([7, 8]) == 1


def test_a_sample_just_beside_an_iteration_still_speaks_for_its_edge() -> None:
    assert flags_of(sample(9.95, POWER_CAP)) == [["throttled: sw_power_cap"], []]
    beside = (sample(9.8, POWER_CAP), sample(10.5, IDLE), sample(11.2, POWER_CAP))
    assert flags_of(*beside) == [[], []]


@pytest.mark.parametrize("reasons", [0, IDLE, APPLICATION_CLOCKS, UNDOCUMENTED])
def test_idleness_and_clocks_that_someone_has_set_are_not_throttling(reasons: int) -> None:
    assert flags_of(sample(10.5, reasons)) == [[], []]


def test_the_bits_are_those_of_nvml() -> None:
    pynvml = pytest.importorskip("pynvml")
    prefix = "nvmlClocksEventReason"
    names = {
        getattr(pynvml, name): name.removeprefix(prefix).lower()
        for name in sorted(dir(pynvml), reverse=True)
        if name.startswith(prefix) and name not in (f"{prefix}All", f"{prefix}None")
    }
    words = {bit: word.replace("_", "") for bit, (word, _) in CLOCK_EVENT_REASONS.items()}
    assert words == names
    assert reasons_in_words(POWER_CAP | IDLE) == ["gpu_idle", "sw_power_cap"]
    assert reasons_in_words(UNDOCUMENTED) == ["unknown_0x800"]


@pytest.mark.parametrize(("share", "flagged"), [(0.005, False), (0.05, True)])
def test_stolen_time_is_flagged_above_a_small_share(share: float, flagged: bool) -> None:
    stolen_s = share * 10 * len(os.sched_getaffinity(0))
    readings = [{"at": 1.0, "steal_s": 7.0}, {"at": 11.0, "steal_s": 7.0 + stolen_s}]
    (found,) = with_counters([iteration(1.0, total_s=10.0)], Observed(readings=readings), CPU)
    assert found.counters == {"steal_s": pytest.approx(stolen_s)}
    assert found.flags == (["steal above 1%"] if flagged else [])


def test_one_tick_of_the_steal_counter_flags_no_short_iteration() -> None:
    readings = [{"at": 1.0, "steal_s": 7.0}, {"at": 1.1, "steal_s": 7.01}]
    (found,) = with_counters([iteration(1.0, total_s=0.1)], Observed(readings=readings), CPU)
    assert found.flags == []


def two_iterations() -> tuple[list[Iteration], Observed]:
    readings: list[dict[str, float]] = [
        {"at": 10.0, "joules": 100.0}, {"at": 11.0, "joules": 400.0},
        {"at": 20.0, "joules": 900.0}, {"at": 21.0, "joules": 1000.0},
    ]  # fmt: skip
    samples = [sample(float(at), POWER_CAP if at == 20 else IDLE) for at in (5, 10, 20, 21, 25)]
    observed = Observed(samples, readings, {"load_average": "OSError: gone", "joules": "no"})
    return with_counters([iteration(10.0), iteration(20.0)], observed, CPU), observed


def test_energy_is_that_of_the_iterations_and_not_of_what_lies_between() -> None:
    iterations, observed = two_iterations()
    energy = energy_record(iterations, observed, torch.device("cuda"), batch_size=4)
    assert energy.joules == 400.0
    assert energy.joules_per_image == 50.0
    assert energy.source == "nvml"
    nothing = energy_record([iteration(1.0)], Observed(notes={"gpu": "no NVML"}),
                            torch.device("cuda"), 1)  # fmt: skip
    assert (nothing.joules, nothing.notes) == (None, {"joules": "no NVML"})


def test_series_count_their_seconds_from_the_first_iteration_and_leave_the_rest_out() -> None:
    telemetry = telemetry_record(*two_iterations())
    assert telemetry.at_s == [0.0, 10.0, 11.0]
    assert telemetry.series == {"power_w": [1000.0, 2000.0, 2100.0]}
    assert telemetry.throttle_reasons == [["gpu_idle"], ["sw_power_cap"], ["gpu_idle"]]
    assert telemetry.counters == {"joules": 400.0}
    assert telemetry.notes == {"load_average": "OSError: gone"}
