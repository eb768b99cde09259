"""Events of a profiler's trace in Chrome's format, as PyTorch 1.12 and later write them.

Releases differ in the names of categories ("Kernel", later "kernel"; "Runtime", later
"cuda_runtime"), in the spelling of "External id", and in whether a kernel has one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: The names of the scopes around a step and around each attention module.
STEP_SCOPE, ATTENTION_SCOPE = "sd_bench.step", "sd_bench.attention"

OPERATORS = ("cpu_op", "operator")
SCOPES = ("user_annotation",)
KERNELS = ("kernel", "gpu_memcpy", "gpu_memset", "memcpy", "memset")
DRIVER_CALLS = ("cuda_runtime", "cuda_driver", "runtime", "driver")
#: Driver calls that return only when the device has done its work, and PyTorch's operator that
#: gives a tensor's value to Python (``item``, ``bool``) and waits for it.
_WAITING_CALLS = (
    *("cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize"),
    *("cuCtxSynchronize", "cuStreamSynchronize", "cuEventSynchronize", "cudaMemcpy"),
)
_VALUE_OPERATOR = "aten::_local_scalar_dense"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; times are in seconds from the start of the step.

    ``external_id`` names the operator that launched a kernel, ``correlation`` the driver call that
    did. ``in_graph``: a CUDA graph replayed the kernel.
    """

    name: str
    begin: float
    end: float
    is_scope: bool
    on_device: bool
    external_id: int | None = None
    correlation: int | None = None
    in_graph: bool = False


def category(event: dict[str, Any]) -> str:
    """The event's category in lower case; empty if it has none."""
    return str(event.get("cat", "")).lower()


def is_wait(event: dict[str, Any]) -> bool:
    """Whether ``event`` is a driver call in which the host waits for the device."""
    return category(event) in DRIVER_CALLS and event["name"] in _WAITING_CALLS


def takes_value(event: dict[str, Any]) -> bool:
    """Whether Python reads a tensor's value in ``event``; on a device it would wait for it."""
    return category(event) in OPERATORS and event["name"] == _VALUE_OPERATOR


def argument(event: dict[str, Any], name: str) -> int | None:
    """The event's argument ``name`` as a number, ignoring case in its name; None if missing."""
    values = event.get("args", {})
    value = next((v for k, v in values.items() if k.lower() == name), None)
    return int(value) if isinstance(value, (int, float)) else None


def read_event(raw: dict[str, Any], origin_us: float) -> Event:
    """Parse a ``raw`` event, with times relative to ``origin_us`` microseconds."""
    begin_us = raw["ts"] - origin_us
    return Event(
        name=raw["name"],
        begin=begin_us / 1e6,
        end=(begin_us + raw.get("dur", 0)) / 1e6,
        is_scope=category(raw) in SCOPES,
        on_device=category(raw) in KERNELS,
        external_id=argument(raw, "external id"),
        correlation=argument(raw, "correlation"),
        in_graph=bool(argument(raw, "graph id")),
    )


@dataclass(frozen=True, slots=True)
class Owned:
    """An event and the ``seconds`` during which it is the innermost one of its timeline.

    ``in_attention``: it is inside an attention module's scope. ``parent`` is the index in the
    timeline of the event that directly encloses it.
    """

    event: Event
    seconds: float
    in_attention: bool
    parent: int | None

    @property
    def is_or_is_in_attention(self) -> bool:
        """Whether the event is, or is inside, an attention module's scope."""
        return self.in_attention or self.event.name == ATTENTION_SCOPE


class Timeline:
    """The events of one thread, or of the device, nested in each other."""

    def __init__(self, events: Iterable[Event], end: float) -> None:
        """Split the time up to ``end`` among ``events``, so that each moment counts only once."""
        self.owned: list[Owned] = _own_time(sorted(events, key=lambda e: (e.begin, -e.end)), end)
        self._begins = [each.event.begin for each in self.owned]

    def innermost(self, moment: float) -> Owned | None:
        """The innermost event at ``moment``, or None if there is none."""
        index: int | None = bisect_right(self._begins, moment) - 1
        if index == -1:
            return None
        while index is not None:
            found = self.owned[index]
            if moment < found.event.end:
                return found
            index = found.parent
        return None


def _own_time(ordered: list[Event], end: float) -> list[Owned]:
    seconds = [0.0] * len(ordered)
    parents: list[int | None] = []
    scoped: list[bool] = []
    open_ones: list[int] = []
    cursor = 0.0

    def close_until(moment: float) -> None:
        nonlocal cursor
        while open_ones and ordered[open_ones[-1]].end <= moment:
            last = open_ones.pop()
            until = min(ordered[last].end, end)
            seconds[last] += max(0.0, until - cursor)
            cursor = max(cursor, until)

    for index, event in enumerate(ordered):
        close_until(event.begin)
        if open_ones:
            seconds[open_ones[-1]] += max(0.0, event.begin - cursor)
        cursor = max(cursor, event.begin)
        parents.append(open_ones[-1] if open_ones else None)
        scoped.append(any(ordered[i].name == ATTENTION_SCOPE for i in open_ones))
        open_ones.append(index)
    close_until(float("inf"))
    return list(map(Owned, ordered, seconds, scoped, parents))
