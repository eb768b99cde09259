"""Which operator of the host launched a kernel.

Kineto writes the operator's number into a kernel's "External id". Some releases wrote none, others
the kernel's own correlation instead (seen in traces of 2023), which may by chance be the number of
another operator. The driver's call that launched the kernel, known by its correlation, has a place
on the host's timeline: that counts where there is no number, or one that cannot be.
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

    ``operator`` is empty where the trace does not tell, and where ``replayed`` says that a CUDA
    graph launched it: a graph has no operators. ``is_known`` is whether the trace tells at all.
    """

    operator: str = ""
    in_attention: bool = False
    replayed: bool = False
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the driver. ``on_host_thread``: on the thread that the step runs on."""

    name: str
    begin: float
    on_host_thread: bool

    @property
    def launches_graph(self) -> bool:
        return _GRAPH_LAUNCHES.match(self.name) is not None


class Launches:
    """The launches of one step, by the trace's ``raw`` events and the ``host``'s timeline."""

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
        if operator.event.is_scope:  # launched by no operator: by Triton, or by Python
            return Launch(in_attention=operator.is_or_is_in_attention)
        return Launch(operator.event.name, operator.is_or_is_in_attention, is_known=True)

    def _by_number(self, kernel: Event, call: _Call | None) -> Owned | None:
        """The operator of the kernel's External id, if that can be believed."""
        if kernel.external_id in (None, kernel.correlation):
            return None
        found = self._by_id.get(kernel.external_id)
        if found is None or call is None or not call.on_host_thread:
            return found
        return found if found.event.begin <= call.begin <= found.event.end else None


def launched_one_by_one(raw: list[dict[str, Any]], step: dict[str, Any]) -> set[int | None]:
    """What joins each launch within the step to its kernel on the device; CUDA graphs left out."""
    end = step["ts"] + step["dur"]
    return {
        argument(e, "correlation")
        for e in raw
        if category(e) in DRIVER_CALLS
        and step["ts"] <= e["ts"] < end
        and _LAUNCHES.match(e["name"])
    }
