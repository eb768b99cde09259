"""What disturbed a round, judged from counters and never from the round's own times.

What applies to every round, such as a quota or niceness, is environment, not a disturbance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sd_bench.measurement.printing import PRINTED
from sd_bench.records import Iteration, Record

STOPPED = "stopped"
SUSPENDED = "machine suspended"
QUOTA = "throttled: cpu quota"
CPU_TIME_LOW = "CPU time far below wall time"
WAITED = "waited for a processor"
SHARED = "processors shared with others"
#: Flags that a repeated round would get too: a GPU at its power limit under this load, or a cell
#: that prints.
_LASTING = ("throttled: sw_power_cap", PRINTED)
#: The start of the warning that other processes used the GPU.
OTHERS_ON_GPU = "others computed on the GPU"

#: Steal is flagged if a hypervisor took more than this share of the processors' time...
_STEAL_SHARE = 0.01
#: ... and more than the counter's resolution of a hundredth of a second could produce.
_STEAL_LEAST_S = 0.02
STEAL = f"steal above {_STEAL_SHARE:.0%}"
#: Flagged if a quota stopped the iteration for more than this share of its time.
_QUOTA_SHARE = 0.01
#: On a CPU the main thread should compute all the time; it is flagged if it did not for more than
#: this share. Threads that wait for each other account for only a few per cent.
_NOT_RUNNING_SHARE, _NOT_RUNNING_LEAST_S = 0.2, 0.05
#: On a GPU the main thread usually waits for the device, but it should not wait for a processor.
_DELAY_SHARE = 0.05
#: Other processes disturb a round if they had more than this share of the processors' time...
_OTHERS_SHARE, _OTHERS_LEAST_S = 0.25, 0.1
#: ... and less than this share was idle: there was more work than processors.
_IDLE_SHARE = 0.1
#: The load average per processor above which the host is busy, where others' time is not counted.
_BUSY_LOAD = 1.5


def counted_flags(
    counters: dict[str, float], total_s: float, processors: int, on_cpu: bool
) -> list[str]:
    """The flags that ``counters``, taken over ``total_s`` seconds, justify."""
    available_s = total_s * processors
    not_running_s = total_s - counters.get("thread_cpu_s", total_s)
    rules = {
        STOPPED: counters.get("stops", 0) > 0,
        SUSPENDED: counters.get("suspended_s", 0) > 0.01,
        QUOTA: counters.get("quota_throttled_s", 0) > _QUOTA_SHARE * total_s,
        STEAL: counters.get("steal_s", 0) > max(_STEAL_LEAST_S, _STEAL_SHARE * available_s),
        CPU_TIME_LOW: on_cpu
        and not_running_s > max(_NOT_RUNNING_LEAST_S, _NOT_RUNNING_SHARE * total_s),
        WAITED: not on_cpu
        and counters.get("run_delay_s", 0) > max(_NOT_RUNNING_LEAST_S, _DELAY_SHARE * total_s),
        SHARED: _others_share(counters, available_s) is not None,
    }
    return [flag for flag, holds in rules.items() if holds]


def _others_share(counters: dict[str, float], available_s: float) -> float | None:
    """The share of the processors' time that others had, or None if it did not slow the round."""
    others_s = counters.get("others_cpu_s", 0.0)
    idle_s = counters.get("idle_s", 0.0)
    enough = others_s > max(_OTHERS_LEAST_S, _OTHERS_SHARE * available_s)
    return others_s / available_s if enough and idle_s < _IDLE_SHARE * available_s else None


def disturbances(record: Record) -> list[str]:
    """What disturbed the round of ``record``, in a few words each; empty if nothing did.

    Taking longer than other rounds does not count as disturbed.
    """
    iterations = record.times.iterations if record.times is not None else []
    flags = list(dict.fromkeys(flag for i in iterations for flag in i.flags))
    lasting = (*_LASTING, QUOTA) if _quota_is_short(record.environment) else _LASTING
    found = [flag for flag in flags if flag not in lasting]
    found += [warning for warning in record.warnings if warning.startswith(OTHERS_ON_GPU)]
    return [*found, *busy_host(record)]


def busy_host(record: Record) -> Iterator[str]:
    """One sentence if other processes took processor time from the round, otherwise nothing.

    Their time is counted over all timed iterations together. The load average is used only where
    it was not counted, because the last minute's load includes our own previous round.
    """
    iterations = record.times.iterations if record.times is not None else []
    processors = record.environment.get("processor", {}).get("affinity")
    if not iterations or not processors:
        return
    if all("others_cpu_s" in i.counters for i in iterations):
        share = _others_share(_summed(iterations), processors * sum(i.total_s for i in iterations))
        if share is not None:
            yield f"the host was busy: others had {share:.0%} of the {processors} processors' time"
    elif (load := max(_loads(record), default=0.0)) > _BUSY_LOAD * processors:
        yield f"the host was busy: load average {load:.1f} on {processors} processors"


def _summed(iterations: list[Iteration]) -> dict[str, float]:
    names = ("others_cpu_s", "idle_s")
    return {name: sum(i.counters.get(name, 0.0) for i in iterations) for name in names}


def _loads(record: Record) -> list[float]:
    """All one-minute load averages in the record: sampled, at its start and at its end."""
    sampled = record.telemetry.series.get("load_average", []) if record.telemetry else []
    host = record.environment.get("host", {})
    ends = [host.get(name) or [] for name in ("load_average", "load_average_at_end")]
    return [load for load in (*sampled, *(end[0] for end in ends if end)) if load is not None]


def _quota_is_short(environment: dict[str, Any]) -> bool:
    """Whether the quota is smaller than the number of threads, so that it stops every round."""
    quota = environment.get("processor", {}).get("quota")
    threads = environment.get("threads", {}).get("intra_op", 1)
    return quota is not None and quota < threads
