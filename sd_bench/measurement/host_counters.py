"""Counters of what the host did for this process and for others while an iteration ran.

The worker itself reads them, outside the timed region, with or without telemetry. Only a counter's
difference over an iteration has a meaning.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from sd_bench.capabilities.cgroups import cpu_groups, read_throttling
from sd_bench.capabilities.processors import own_processors

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Columns of a processor's row in /proc/stat, counting its name as column 0 (man 5 proc).
_BUSY, _IDLE, _STOLEN = (1, 2, 3, 6, 7), (4, 5), (8,)


class HostCounters:
    """A context in which the counters can be read; use it in the main thread.

    A process is not notified when it is stopped, only when it continues (SIGCONT), so that is
    counted.
    """

    def __init__(self) -> None:
        self._groups = cpu_groups()
        self._stops = 0
        self._handler_before: Any = None

    def __enter__(self) -> HostCounters:
        self._handler_before = signal.signal(signal.SIGCONT, self._continued)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGCONT, self._handler_before)

    def _continued(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1

    def read(self) -> dict[str, float]:
        """All counters by name, without those that the system does not have."""
        counters = {"stops": float(self._stops), "thread_cpu_s": time.thread_time()}
        for reading in (
            _usage,
            _collections,
            _processor_times,
            _run_delay,
            _suspended,
            self._throttling,
        ):
            try:
                counters |= reading()
            except (OSError, ValueError, IndexError, AttributeError):
                continue
        return counters

    def _throttling(self) -> dict[str, float]:
        return read_throttling(self._groups) if self._groups else {}


def between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """The differences between two readings.

    ``others_cpu_s`` is the time that the processors worked for other processes, in seconds. The
    system counts it in steps of a hundredth of a second, so it is no more exact than that.
    """
    counted = {name: after[name] - before[name] for name in after if name in before}
    if "busy_s" in counted:
        counted["others_cpu_s"] = max(0.0, counted.pop("busy_s") - counted["cpu_s"])
    return counted


def _usage() -> dict[str, float]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu_s": sum(usage.ru_utime + usage.ru_stime for usage in (own, ended)),
        "system_s": own.ru_stime + ended.ru_stime,
        "minor_page_faults": float(own.ru_minflt),
        "major_page_faults": float(own.ru_majflt),
        "voluntary_context_switches": float(own.ru_nvcsw),
        "involuntary_context_switches": float(own.ru_nivcsw),
    }


def _collections() -> dict[str, float]:
    """How many full garbage collections Python has made."""
    return {"full_collections": float(gc.get_stats()[-1]["collections"])}


def _processor_times() -> dict[str, float]:
    """Seconds summed over the processors that this process may run on."""
    mine = {f"cpu{number}" for number in own_processors()}
    lines = Path("/proc/stat").read_text().splitlines()
    rows = [row for line in lines if (row := line.split()) and row[0] in mine]

    def seconds(columns: tuple[int, ...]) -> float:
        return sum(int(row[column]) for row in rows for column in columns) / _TICKS_PER_S

    return {"busy_s": seconds(_BUSY), "idle_s": seconds(_IDLE), "steal_s": seconds(_STOLEN)}


def _run_delay() -> dict[str, float]:
    """How long the main thread was ready to run while no processor was free."""
    delay_ns = Path("/proc/self/schedstat").read_text().split()[1]
    return {"run_delay_s": int(delay_ns) / 1e9}


def _suspended() -> dict[str, float]:
    """How long the machine has been suspended: CLOCK_BOOTTIME counts that, CLOCK_MONOTONIC not."""
    slept_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    return {"suspended_s": slept_s}
