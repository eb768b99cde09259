"""Which host operator launched a kernel.

Kineto writes the operator's number into a kernel's "External id". Some releases wrote no number,
others the kernel's own correlation (seen in traces of 2023), which may happen to be the number of
another operator. Where the number is missing or impossible, the operator is found by time: that of
the driver call with the kernel's correlation, on the host's timeline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sd_bench.measurement.trace_events import (
    DRIVER_CALLS,
    Event,
    Owned,
    Timeline,
    argument,
    category,
    read_event,
)

_LAUNCHES = re.compile(r"(cuda|cu|hip)(LaunchKernel|LaunchCooperativeKernel|Memcpy|Memset)")
_GRAPH_LAUNCHES = re.compile(r"(cuda|cu|hip)GraphLaunch")


@dataclass(frozen=True, slots=True)
class Launch:
    """Where a kernel came from.

    ``operator`` is empty if the trace does not name one, or if the kernel was ``replayed`` by a
    CUDA graph, which has no operators. ``is_known`` says whether the trace shows the origin.
    """

    operator: str = ""
    in_attention: bool = False
    replayed: bool = False
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """A call to the driver. ``on_host_thread``: made by the thread that runs the step."""

    name: str
    begin: float
    on_host_thread: bool

    @property
    def launches_graph(self) -> bool:
        return _GRAPH_LAUNCHES.match(self.name) is not None


class Launches:
    """Finds the origin of one step's kernels in the ``raw`` trace events and the host timeline."""

    def __init__(self, raw: list[dict[str, Any]], step: dict[str, Any], host: Timeline) -> None:
        self._host = host
        self._by_id = {each.event.external_id: each for each in host.owned}
        self._calls: dict[int | None, _Call] = {}
        for event in raw:
            if category(event) in DRIVER_CALLS:
                call = read_event(event, step["ts"])
                on_host_thread = event.get("tid") == step["tid"]
                self._calls[call.correlation] = _Call(call.name, call.begin, on_host_thread)
        self._calls.pop(None, None)

    def of(self, kernel: Event) -> Launch:
        """Where ``kernel`` came from."""
        call = self._calls.get(kernel.correlation)
        if kernel.in_graph or (call is not None and call.launches_graph):
            return Launch(replayed=True, is_known=True)
        operator = self._by_number(kernel, call)
        if operator is None and call is not None and call.on_host_thread:
            operator = self._host.innermost(call.begin)
        if operator is None:
            return Launch()
        if operator.event.is_scope:  # launched by Triton or Python, without an operator
            return Launch(in_attention=operator.is_or_is_in_attention)
        return Launch(operator.event.name, operator.is_or_is_in_attention, is_known=True)

    def _by_number(self, kernel: Event, call: _Call | None) -> Owned | None:
        """The operator that the kernel's External id names, or None if the id cannot be right."""
        if kernel.external_id in (None, kernel.correlation):
            return None
        found = self._by_id.get(kernel.external_id)
        if found is None or call is None or not call.on_host_thread:
            return found
        return found if found.event.begin <= call.begin <= found.event.end else None


def launched_one_by_one(raw: list[dict[str, Any]], step: dict[str, Any]) -> set[int | None]:
    """The correlation of each launch within the step, without launches of CUDA graphs."""
    end = step["ts"] + step["dur"]
    return {
        argument(e, "correlation")
        for e in raw
        if category(e) in DRIVER_CALLS
        and step["ts"] <= e["ts"] < end
        and _LAUNCHES.match(e["name"])
    }
