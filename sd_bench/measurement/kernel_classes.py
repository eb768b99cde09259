"""Where a step's time went, by class of work.

A step is read from the profiler's trace in Chrome's format: the host thread's operators and, on a
GPU, the kernels that they launched.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sd_bench.measurement.kernel_launches import Launch, Launches, launched_one_by_one
from sd_bench.measurement.kernel_names import BATCHED_PRODUCTS, CLASSES, class_of
from sd_bench.measurement.trace_events import (
    KERNELS,
    OPERATORS,
    SCOPES,
    STEP_SCOPE,
    Timeline,
    argument,
    category,
    is_wait,
    read_event,
    takes_value,
)


@dataclass(frozen=True, slots=True)
class Step:
    """Where one step's time went. ``by_kernel`` holds the same seconds by name, without idle.

    ``num_launched`` kernels, copies and fills were launched one by one, not by a CUDA graph;
    ``num_lost`` of them are missing from the trace. Of the ``num_kernels`` in the trace, it does
    not say which operator launched ``num_unjoined``, and a CUDA graph replayed ``num_replayed``:
    both are classified by name only. ``num_waits`` counts how often the host waited for the device
    before the step's end; on a CPU, how often it read a tensor's value and would have waited.
    """

    seconds: float
    by_class: dict[str, float]
    by_kernel: dict[str, float]
    num_launched: int = 0
    num_lost: int = 0
    num_kernels: int = 0
    num_unjoined: int = 0
    num_replayed: int = 0
    num_waits: int = 0


def read_step(trace: dict[str, Any], on_device: bool, compiled: bool) -> Step:
    """Split the time of the step in ``trace`` into classes, which add up to its wall time.

    Compiled networks have no scopes around attention modules, but only attention in them uses
    batched products.
    """
    raw = [e for e in trace["traceEvents"] if e.get("ph") == "X"]
    (step,) = (e for e in raw if e["name"] == STEP_SCOPE and category(e) in SCOPES)
    step_s = step["dur"] / 1e6
    events = [read_event(e, step["ts"]) for e in raw if _is_of_step(e, step)]
    host = Timeline((e for e in events if not e.on_device), step_s)
    device = Timeline((e for e in events if e.on_device), step_s)
    launches = Launches(raw, step, host)
    came_from = [launches.of(each.event) for each in device.owned]
    if on_device:
        ran = list(zip(device.owned, came_from, strict=True))
    else:
        ran = [
            (each, Launch(each.event.name, each.in_attention))
            for each in host.owned
            if not each.event.is_scope
        ]
    by_class = dict.fromkeys(CLASSES, 0.0)
    by_kernel: defaultdict[str, float] = defaultdict(float)
    for each, launch in ran:
        in_attention = launch.in_attention or (compiled and launch.operator in BATCHED_PRODUCTS)
        found = class_of(each.event.name, launch.operator, in_attention)
        by_class[found] += each.seconds
        by_kernel[each.event.name] += each.seconds
    by_class["idle"] = max(0.0, step_s - sum(by_class.values()))
    launched = launched_one_by_one(raw, step)
    seen = {argument(e, "correlation") for e in raw if category(e) in KERNELS}
    return Step(
        seconds=step_s,
        by_class=by_class,
        by_kernel=dict(by_kernel),
        num_launched=len(launched),
        num_lost=len(launched - seen),
        num_kernels=len(came_from),
        num_unjoined=sum(not launch.is_known for launch in came_from),
        num_replayed=sum(launch.replayed for launch in came_from),
        num_waits=_count_waits(raw, step, on_device),
    )


def _is_of_step(event: dict[str, Any], step: dict[str, Any]) -> bool:
    """Whether ``event`` began within the step, on the step's host thread or on the device."""
    if event is step or not _began_within(event, step):
        return False
    of_host = category(event) in (*OPERATORS, *SCOPES) and event["tid"] == step["tid"]
    return of_host or category(event) in KERNELS


def _began_within(event: dict[str, Any], step: dict[str, Any]) -> bool:
    return bool(step["ts"] <= event["ts"] < step["ts"] + step["dur"])


def _count_waits(raw: list[dict[str, Any]], step: dict[str, Any], on_device: bool) -> int:
    """How often the host waited, not counting the wait that ends a step on a device."""
    inside = [event for event in raw if _began_within(event, step)]
    if not on_device:
        return sum(map(takes_value, inside))
    return max(0, sum(map(is_wait, inside)) - 1)
