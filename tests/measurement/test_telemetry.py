"""The telemetry's process samples, answers, dies with the worker, and disturbs no round."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sd_bench.measurement.round import measure_round
from sd_bench.measurement.telemetry import Observer, watching
from sd_bench.measurement.telemetry_process import (
    RaplZone,
    add_gpu,
    power_reading,
    rapl_counters,
    read,
)
from tests.support.composition import Compose

CPU = torch.device("cpu")
REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def wait_until(holds: Callable[[], bool], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_it_samples_once_per_period_and_counts_between_readings() -> None:
    with watching(CPU, telemetry=False) as watch:
        watch.observer = observer = Observer(CPU, period_s=0.05)
        began = time.monotonic()
        with watch.counting():
            for _ in range(20):  # each sleep is a switch of this thread's own will
                time.sleep(0.02)
        ended = time.monotonic()
        observed = watch.stop()
    before, after = observed.readings
    assert began <= before["at"] <= after["at"] - 0.4 <= ended
    (counted,) = observed.counted
    assert counted["voluntary_context_switches"] >= 20
    assert counted["steal_s"] >= 0
    assert counted["thread_cpu_s"] < 0.4
    assert observer.pid
    times = [sample["at"] for sample in observed.samples]
    assert len(times) >= 4
    assert times == sorted(times)
    assert all(sample["cpu_clock_mhz"] > 100 for sample in observed.samples)
    assert all(sample["load_average"] >= 0 for sample in observed.samples)
    assert observed.cpu_s > 0


def test_it_runs_without_torch() -> None:
    observer = Observer(CPU)
    observer.read_counters()
    maps = Path(f"/proc/{observer.pid}/maps").read_text()
    assert "python" in maps
    assert "torch" not in maps
    observer.stop()


def test_a_lost_process_costs_the_telemetry_and_not_the_round() -> None:
    observer = Observer(CPU)
    observer.read_counters()
    os.kill(observer.pid, signal.SIGKILL)
    observer.read_counters()
    observer.read_counters()
    observed = observer.stop()
    assert observed.readings == []
    assert observed.notes == {"observer": "the observer ended before the iterations did"}


def test_it_ends_with_the_context_when_a_round_fails() -> None:
    def fails() -> None:
        with watching(CPU, telemetry=True) as watch:
            assert watch.observer is not None
            pids.append(watch.observer.pid)
            raise RuntimeError("a round that fails")

    pids: list[int] = []
    with pytest.raises(RuntimeError, match="a round that fails"):
        fails()
    assert not Path(f"/proc/{pids[0]}").exists()


@pytest.mark.slow
def test_it_dies_with_a_worker_that_is_killed() -> None:
    code = (
        "import sys, time, torch\n"
        "from sd_bench.measurement.telemetry import Observer\n"
        "observer = Observer(torch.device('cpu'))\n"
        "observer.read_counters()\n"
        "print(observer.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        worker.kill()
    wait_until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    """Whether the process exists and is not a zombie: in a container nobody may reap it."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_gpu_that_nvml_does_not_find_is_a_note_and_the_host_is_still_read() -> None:
    pynvml = pytest.importorskip("pynvml")
    notes: dict[str, str] = {}
    readings: dict[str, Callable[[], float]] = {}
    add_gpu("GPU-none", str(Path(pynvml.__file__).parent), readings, readings, notes)
    assert "NVMLError" in notes["gpu"]
    assert readings == {}
    add_gpu("GPU-none", "", readings, readings, notes)
    assert "pip install nvidia-ml-py" in notes["gpu"]


def test_a_reading_that_fails_is_left_out_with_its_reason_and_ends_no_other() -> None:
    def fails() -> float:
        raise OSError("no such counter")

    readings: dict[str, Callable[[], float]] = {"good": lambda: 1.0, "bad": fails}
    notes: dict[str, str] = {}
    assert read(readings, notes).keys() == {"at", "good"}
    assert notes == {"bad": "OSError: no such counter"}
    assert readings.keys() == {"good"}


def make_zone(folder: Path, name: str, energy_uj: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    return folder


def test_rapl_adds_up_the_packages_and_leaves_their_parts_out(tmp_path: Path) -> None:
    packages = [make_zone(tmp_path / f"intel-rapl:{i}", f"package-{i}", 500) for i in range(2)]
    core = make_zone(tmp_path / "intel-rapl:0:0", "core", 500)
    notes: dict[str, str] = {}
    joules = rapl_counters(notes, tmp_path)["joules"]
    before = joules()
    for folder, energy_uj in zip([*packages, core], (2_000_500, 3_000_500, 9_000_500), strict=True):
        (folder / "energy_uj").write_text(str(energy_uj))
    assert joules() - before == pytest.approx(5.0)
    assert notes == {}


def test_rapl_goes_on_counting_when_a_counter_wraps_around(tmp_path: Path) -> None:
    zone = RaplZone(make_zone(tmp_path / "zone", "package-0", 999_000_000))
    zone.joules()
    (tmp_path / "zone" / "energy_uj").write_text("4000000")
    assert zone.joules() == pytest.approx(5.0)


def test_without_rapl_the_reason_is_recorded(tmp_path: Path) -> None:
    notes: dict[str, str] = {}
    assert rapl_counters(notes, tmp_path) == {}
    assert "no RAPL" in notes["joules"]


@pytest.mark.slow
def test_a_round_brings_series_counters_and_energy_or_its_reason(tiny: Compose) -> None:
    config = tiny("attention=original", "protocol.n_iter=2", "batch_size=2", "sampler.steps=4")
    measured = measure_round(config, CPU, 0.0, None, lambda phase: None)
    telemetry, energy, iterations = measured.telemetry, measured.energy, measured.times.iterations
    assert telemetry is not None
    assert telemetry.at_s, "a sample lies within a period of the iterations"
    assert telemetry.series.keys() == {"cpu_clock_mhz", "load_average"}
    assert all(len(values) == len(telemetry.at_s) for values in telemetry.series.values())
    assert telemetry.throttle_reasons == []
    last = iterations[-1]
    assert last.begun_s is not None
    assert -telemetry.period_s <= telemetry.at_s[0]
    assert telemetry.at_s[-1] <= last.begun_s + last.total_s + telemetry.period_s
    name = "involuntary_context_switches"
    assert telemetry.counters[name] == sum(i.counters[name] for i in iterations)
    assert energy is not None
    assert (energy.joules is None) == bool(energy.notes)
    if energy.joules is not None:
        assert energy.joules_per_image == pytest.approx(energy.joules / 4)


@pytest.mark.slow
def test_telemetry_can_be_switched_off(tiny: Compose) -> None:
    config = tiny("attention=original", "telemetry=false", "sampler.steps=1")
    measured = measure_round(config, CPU, 0.0, None, lambda phase: None)
    assert measured.telemetry is None
    assert measured.energy is not None
    assert measured.energy.joules is None
    assert measured.energy.notes == {"joules": "not read: telemetry=false"}
    assert measured.times.iterations[0].counters["cpu_s"] > 0  # flags need no telemetry


class Power:
    """An NVML that reports or refuses the power now, and reports the mean of the last second."""

    NVML_FI_DEV_POWER_INSTANT = 186
    NVMLError = RuntimeError

    def __init__(self, refuses_with: int) -> None:
        self._returns = refuses_with

    def nvmlDeviceGetFieldValues(self, gpu: str, fields: list[int]) -> list[SimpleNamespace]:  # noqa: N802
        assert fields == [186]
        return [SimpleNamespace(nvmlReturn=self._returns, value=SimpleNamespace(uiVal=612_500))]

    def nvmlDeviceGetPowerUsage(self, gpu: str) -> int:  # noqa: N802
        return 401_000


def test_power_is_that_of_the_moment_if_the_driver_reports_it() -> None:
    notes: dict[str, str] = {}
    assert power_reading(Power(0), "gpu", notes)() == 612.5
    assert notes == {}
    assert power_reading(Power(3), "gpu", notes)() == 401.0
    assert "the mean of the last second" in notes["power_w"]
    notes.clear()
    old = SimpleNamespace(nvmlDeviceGetPowerUsage=lambda gpu: 70_000)  # knows no fields
    assert power_reading(old, "gpu", notes)() == 70.0
    assert "AttributeError" in notes["power_w"]
