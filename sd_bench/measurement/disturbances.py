"""What disturbed a round, judged from what was counted beside it and never from its times.

What lasts for every round, such as a quota or a niceness, is environment and no disturbance.
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
#: What measuring again would find again: a GPU at its power limit under this load, a cell that
#: prints.
_LASTING = ("throttled: sw_power_cap", PRINTED)
#: How the warning begins that others computed on the GPU.
OTHERS_ON_GPU = "others computed on the GPU"

#: A larger share of the processors' time taken by a hypervisor is flagged...
_STEAL_SHARE = 0.01
#: ... if it is more than the counter's own steps of a hundredth of a second can feign.
_STEAL_LEAST_S = 0.02
STEAL = f"steal above {_STEAL_SHARE:.0%}"
#: A larger share of an iteration in which a quota halted it.
_QUOTA_SHARE = 0.01
#: On a CPU the main thread computes all the time. A larger share in which it did not, for whatever
#: reason, is far: threads that wait for each other do so for a few per cent.
_NOT_RUNNING_SHARE, _NOT_RUNNING_LEAST_S = 0.2, 0.05
#: On a GPU it waits for the device as a rule; but it should not wait for a processor.
_DELAY_SHARE = 0.05
#: Others disturb where they had more than this share of the processors' time...
_OTHERS_SHARE, _OTHERS_LEAST_S = 0.25, 0.1
#: ... and no larger share was left over: there was work for more processors than there are.
_IDLE_SHARE = 0.1
#: More runnable threads than this for each processor, where others' time is not counted.
_BUSY_LOAD = 1.5


def counted_flags(
    counters: dict[str, float], total_s: float, processors: int, on_cpu: bool
) -> list[str]:
    """What the ``counters`` of ``total_s`` seconds say, in a few words each."""
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
    """The share of the processors' time that others had, if that took it from the round."""
    others_s = counters.get("others_cpu_s", 0.0)
    idle_s = counters.get("idle_s", 0.0)
    enough = others_s > max(_OTHERS_LEAST_S, _OTHERS_SHARE * available_s)
    return others_s / available_s if enough and idle_s < _IDLE_SHARE * available_s else None


def disturbances(record: Record) -> list[str]:
    """What disturbed the round of ``record``, in a few words each; empty if nothing did.

    A round that is longer than others is not disturbed by that.
    """
    iterations = record.times.iterations if record.times is not None else []
    flags = list(dict.fromkeys(flag for i in iterations for flag in i.flags))
    lasting = (*_LASTING, QUOTA) if _quota_is_short(record.environment) else _LASTING
    found = [flag for flag in flags if flag not in lasting]
    found += [warning for warning in record.warnings if warning.startswith(OTHERS_ON_GPU)]
    return [*found, *busy_host(record)]


def busy_host(record: Record) -> Iterator[str]:
    """A sentence if others worked on the round's processors and took time from it.

    Counted over all timed iterations together, less this round's own work. The load average is
    asked only where nothing was counted: that of the minute before holds our own last round too.
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
    """The load averages of the last minute that the record knows, one at its end among them."""
    sampled = record.telemetry.series.get("load_average", []) if record.telemetry else []
    host = record.environment.get("host", {})
    ends = [host.get(name) or [] for name in ("load_average", "load_average_at_end")]
    return [load for load in (*sampled, *(end[0] for end in ends if end)) if load is not None]


def _quota_is_short(environment: dict[str, Any]) -> bool:
    """Whether the quota is below what the round's threads need, so that it halts every round."""
    quota = environment.get("processor", {}).get("quota")
    threads = environment.get("threads", {}).get("intra_op", 1)
    return quota is not None and quota < threads
