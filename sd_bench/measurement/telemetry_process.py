"""The telemetry process: reads counters and gauges until its input ends.

``telemetry.py`` runs it as a script in a bare interpreter (``python -I -S``), so it imports only
the standard library and, for a GPU, pynvml, and nothing of sd_bench. Each byte on its input
requests a reading: it reads all counters and answers with one byte. In between it samples the
gauges once per period. When its input ends it prints everything as one JSON object and exits. It
is killed if its parent dies.

Times are CLOCK_MONOTONIC, in seconds. A reading that fails once is not tried again, and the reason
is put into the notes.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_POWERCAP = Path("/sys/class/powercap")
_ANSWER = b"."

Reading = Callable[[], float]


def main(period_s: float, uuid: str, pynvml_folder: str, processors: str) -> None:
    """Sample every ``period_s`` seconds until the input ends. ``uuid`` is the GPU's, or empty.

    ``processors`` are the numbers of the processors that this process and the worker may run on,
    separated by commas; empty if unknown.
    """
    if processors:
        os.sched_setaffinity(0, map(int, processors.split(",")))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    notes: dict[str, str] = {}
    gauges = host_gauges()
    counters: dict[str, Reading] = {}
    if uuid:
        add_gpu(uuid, pynvml_folder, gauges, counters, notes)
    else:
        counters |= rapl_counters(notes)
    samples: list[dict[str, float]] = []
    readings: list[dict[str, float]] = []
    next_s = time.monotonic()
    while True:
        wait_s = max(0.0, next_s - time.monotonic())
        if not select.select([0], [], [], wait_s)[0]:
            samples.append(read(gauges, notes))
            next_s = max(next_s + period_s, time.monotonic())
        elif os.read(0, 1):
            readings.append(read(counters, notes))
            os.write(1, _ANSWER)
        else:
            break
    cpu_s = time.process_time()
    print(json.dumps({"samples": samples, "readings": readings, "notes": notes, "cpu_s": cpu_s}))


def read(readings: dict[str, Reading], notes: dict[str, str]) -> dict[str, float]:
    """All readings by name, and as ``at`` the time at which they began."""
    values = {"at": time.monotonic()}
    for name, reading in list(readings.items()):
        try:
            values[name] = reading()
        except Exception as error:  # a driver or kernel error must not stop the other readings
            notes[name] = f"{type(error).__name__}: {error}"
            del readings[name]
    return values


def host_gauges() -> dict[str, Reading]:
    """The clock of the processors that the worker may run on, and the load average."""
    files = [
        Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")
        for cpu in sorted(os.sched_getaffinity(0))
    ]

    def from_sysfs() -> float:
        return sum(int(file.read_text()) for file in files) / len(files) / 1000

    def from_cpuinfo() -> float:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        clocks = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
        return sum(clocks) / len(clocks)

    return {
        "cpu_clock_mhz": from_sysfs if files[0].exists() else from_cpuinfo,
        "load_average": lambda: os.getloadavg()[0],
    }


def rapl_counters(notes: dict[str, str], root: Path = _POWERCAP) -> dict[str, Reading]:
    """A counter of the joules of all processor packages, or none, with the reason in ``notes``."""
    packages = [
        zone
        for zone in sorted(root.glob("*-rapl:*"))
        if (zone / "name").is_file() and (zone / "name").read_text().startswith("package")
    ]
    if not packages:
        notes["joules"] = f"the system has no RAPL counters ({root}/intel-rapl:*)"
        return {}
    zones = [RaplZone(zone) for zone in packages]
    try:
        for zone in zones:
            zone.joules()
    except PermissionError:
        notes["joules"] = f"reading {packages[0]}/energy_uj needs root"
        return {}
    return {"joules": lambda: sum(zone.joules() for zone in zones)}


class RaplZone:
    """One RAPL counter, which wraps around to 0 after its largest value."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last: int | None = None
        self._total = 0

    def joules(self) -> float:
        """Joules since the first reading; correct if it wraps at most once between readings."""
        now = int(self._file.read_text())
        if self._last is not None:
            self._total += (now - self._last) % self._range
        self._last = now
        return self._total / 1e6


def add_gpu(
    uuid: str,
    pynvml_folder: str,
    gauges: dict[str, Reading],
    counters: dict[str, Reading],
    notes: dict[str, str],
) -> None:
    """Add NVML's readings of the GPU, or put into ``notes`` why there are none."""
    if not pynvml_folder:
        notes["gpu"] = "pynvml is not installed: pip install nvidia-ml-py"
        return
    sys.path.append(pynvml_folder)
    try:
        import pynvml as nvml

        nvml.nvmlInit()
        gpu = nvml.nvmlDeviceGetHandleByUUID(uuid)
    except Exception as error:  # no driver, another driver, a MIG slice: no GPU telemetry
        notes["gpu"] = f"{type(error).__name__}: {error}"
        return
    gauges |= {
        "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
        "memory_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
        "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
        "power_w": power_reading(nvml, gpu, notes),
        "gpu_utilisation_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
        "memory_utilisation_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(gpu).memory,
        "clock_event_reasons": lambda: _clock_event_reasons(nvml, gpu),
        "other_processes": lambda: other_processes(
            [process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(gpu)]
        ),
    }
    counters["joules"] = lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1e3


def power_reading(nvml: Any, gpu: Any, notes: dict[str, str]) -> Reading:
    """A reading of the current power in watts, or of nvmlDeviceGetPowerUsage's, with a note."""

    def instant() -> float:
        (power,) = nvml.nvmlDeviceGetFieldValues(gpu, [nvml.NVML_FI_DEV_POWER_INSTANT])
        if power.nvmlReturn != 0:
            raise nvml.NVMLError(power.nvmlReturn)
        return float(power.value.uiVal) / 1e3

    try:
        instant()
    except Exception as error:  # an older NVML, driver or GPU has none
        notes["power_w"] = (
            f"no instantaneous reading ({type(error).__name__}: {error}): nvmlDeviceGetPowerUsage "
            "instead, which on Ampere and later (except the A100) is the mean of the last second"
        )
        return lambda: nvml.nvmlDeviceGetPowerUsage(gpu) / 1e3
    return instant


def other_processes(pids: list[int]) -> int:
    """How many of the processes ``pids`` on a GPU are not the measured one.

    In a container the driver may know the measured process by another number; then one of ``pids``
    is taken to be it.
    """
    worker = os.getppid()
    return len([pid for pid in pids if pid != worker]) if worker in pids else max(0, len(pids) - 1)


def _clock_event_reasons(nvml: Any, gpu: Any) -> float:
    """The reasons' bits, read by the old function name if the driver does not have the new one."""
    try:
        return nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)
    except (AttributeError, nvml.NVMLError_FunctionNotFound):
        return nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:5])
