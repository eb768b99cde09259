"""Traces of a step on a GPU, handwritten in the formats of several releases of PyTorch.

Each release writes through Kineto. The differences come from Kineto's sources of the time
(``output_json.cpp``, ``CuptiActivity.cpp``) and, for the host, from traces that PyTorch 1.12.1 and
2.15 wrote on a CPU: the names of categories, whole or fractional microseconds, the name of flows,
and the number of a kernel. That some kernels of 2023 have their own correlation as "External id"
comes from public traces of A100 and V100 (pytorch/kineto issues 978 and 1001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

#: The "External id" of a kernel: none, its operator's number, or its own correlation.
KernelId = Literal["none", "operator", "correlation"]
#: The first number of driver calls; operators use the same numbers.
_FIRST_CORRELATION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The format of a release. ``call_has_id``: driver calls have their operator's number."""

    kernel: str
    copy: str
    fill: str
    runtime: str
    driver: str
    flow: str
    kernel_id: KernelId
    id_name: str = "External id"
    call_has_id: bool = False
    whole_us: bool = False
    base_ns: int | None = None
    graph_numbers: bool = False


_OLD = Format(
    kernel="Kernel", copy="Memcpy", fill="Memset", runtime="Runtime", driver="Runtime",
    flow="async_cpu_to_gpu", kernel_id="none", whole_us=True,
)  # fmt: skip
_NEW = Format(
    kernel="kernel", copy="gpu_memcpy", fill="gpu_memset", runtime="cuda_runtime",
    driver="cuda_driver", flow="ac2g", kernel_id="operator", call_has_id=True,
    base_ns=1695835535 * 10**9,
)  # fmt: skip

FORMATS = {
    # kernel and call have their operator's number, as a lower-case "external id"
    "1.12, numbered": replace(
        _OLD, flow="async_gpu", kernel_id="operator", id_name="external id", call_has_id=True
    ),
    # neither has: only the call's position on the host's timeline shows it
    "1.12": _OLD,
    "2.0": replace(_NEW, kernel_id="correlation", call_has_id=False, whole_us=True, base_ns=None),
    "2.1": _NEW,
    "2.7": replace(_NEW, graph_numbers=True),
}


@dataclass(frozen=True, slots=True)
class Host:
    """An operator or a scope on the host's thread, in microseconds."""

    name: str
    begin: float
    length: float
    is_scope: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel, a copy or a fill, and the call at ``launched`` that launched it.

    Without ``call`` the trace lacks the call, with ``is_lost`` the kernel. ``graph`` is the number
    of the CUDA graph that replays it; its kernels share the one call.
    """

    name: str
    launched: float
    begin: float
    length: float
    call: str | None = "cudaLaunchKernel"
    is_lost: bool = False
    graph: int = 0


def trace_of(written: Format, host: Sequence[Host], kernels: Sequence[Kernel]) -> dict[str, Any]:
    """The trace as ``json.load`` gives it. The host's thread is 41, the device's stream 7."""
    return _Writer(written).write(host, kernels)


class _Writer:
    def __init__(self, written: Format) -> None:
        self._format = written
        self._events: list[dict[str, Any]] = []
        self._calls: dict[float, int] = {}

    def write(self, host: Sequence[Host], kernels: Sequence[Kernel]) -> dict[str, Any]:
        for number, event in enumerate(host, start=1):
            category = "user_annotation" if event.is_scope else "cpu_op"
            args = {"External id": number, "Ev Idx": number - 1}
            self._add(category, event.name, event.begin, event.length, 41, args)
            if event.is_scope:
                shifted = event.begin + 30
                self._add("gpu_user_annotation", event.name, shifted, event.length, 7, {})
        for kernel in kernels:
            self._kernel(host, kernel)
        described: dict[str, Any] = {
            "schemaVersion": 1,
            "deviceProperties": [{"id": 0, "name": "a GPU"}],
        }
        if self._format.base_ns is not None:
            described["baseTimeNanoseconds"] = self._format.base_ns
        names = {"ph": "M", "name": "process_name", "ts": 0, "pid": 4, "tid": 0, "args": {}}
        return {**described, "traceEvents": [names, *self._events]}

    def _kernel(self, host: Sequence[Host], kernel: Kernel) -> None:
        operator = _innermost(host, kernel.launched)
        is_new = kernel.launched not in self._calls
        correlation = self._calls.setdefault(kernel.launched, _FIRST_CORRELATION + len(self._calls))
        if kernel.call is not None and is_new:
            is_driver = kernel.call.startswith("cu") and not kernel.call.startswith("cuda")
            category = self._format.driver if is_driver else self._format.runtime
            args = {"cbid": 211, "correlation": correlation}
            if self._format.call_has_id:
                args[self._format.id_name] = operator
            self._add(category, kernel.call, kernel.launched, 3, 41, args)
            self._flow("s", correlation, kernel.launched, 41)
        if kernel.is_lost:
            return
        args = {"device": 0, "stream": 7, "correlation": correlation}
        if self._format.kernel_id != "none":
            is_own = self._format.kernel_id == "operator"
            args[self._format.id_name] = operator if is_own else correlation
        if self._format.graph_numbers:
            args |= {"graph id": kernel.graph, "graph node id": 3 * kernel.graph}
        self._add(self._category(kernel), kernel.name, kernel.begin, kernel.length, 7, args)
        self._flow("f", correlation, kernel.begin, 7)

    def _category(self, kernel: Kernel) -> str:
        kinds = {"Memcpy": self._format.copy, "Memset": self._format.fill}
        return kinds.get(kernel.name.partition(" ")[0], self._format.kernel)

    def _add(
        self, category: str, name: str, begin: float, length: float, tid: int, args: dict[str, Any]
    ) -> None:
        times = [begin, length]
        ts, dur = map(int, times) if self._format.whole_us else times
        self._events.append(
            {"ph": "X", "cat": category, "name": name, "pid": 4, "tid": tid, "ts": ts, "dur": dur,
             "args": args}
        )  # fmt: skip

    def _flow(self, phase: str, correlation: int, moment: float, tid: int) -> None:
        self._events.append(
            {"ph": phase, "id": correlation, "pid": 4, "tid": tid, "ts": moment, "bp": "e",
             "cat": self._format.flow, "name": self._format.flow}
        )  # fmt: skip


def _innermost(host: Sequence[Host], moment: float) -> int:
    """The number of the operator that launches at ``moment``; 0 for none, as in Kineto."""
    around = [
        (event.length, number)
        for number, event in enumerate(host, start=1)
        if not event.is_scope and event.begin <= moment < event.begin + event.length
    ]
    return min(around)[1] if around else 0
