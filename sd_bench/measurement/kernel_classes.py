"""Which class of kernel a name belongs to, and where a step's time went by class.

A step is read from the profiler's trace in Chrome's format: operators of the host's thread, and on
a GPU the kernels that they launched.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CLASSES = (
    "attention", "matrix_products", "convolutions", "normalisation", "element_wise", "copies",
    "other", "idle",
)  # fmt: skip

#: The names of the scopes around a step and around each attention module.
STEP_SCOPE, ATTENTION_SCOPE = "sd_bench.step", "sd_bench.attention"

#: Operators and kernels by their names in small letters; the first pattern that is found counts.
#: A generated (Triton) kernel is called after the operators that were fused into it.
_PATTERNS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"compiledfxgraph|compiled region", "other"),
        (r"attention|flash|fmha|sdpa|softmax", "attention"),
        (r"norm(?!al)|moments|welford|var_mean|computefusedparams", "normalisation"),
        (r"^triton_(?!tem)", "element_wise"),
        (r"conv(?!ert)|fprop|winograd|im2col", "convolutions"),
        (r"gemm|gemv|matmul|linear|splitk|nvjet|cutlass|xmma", "matrix_products"),
        (r"(?<![a-z])(add|b|baddb)?mm(?![a-z])", "matrix_products"),
        (r"copy|memcpy|memset|clone|contiguous|fill|zero_|pad|nchwtonhwc|nhwctonchw", "copies"),
        (r"aten::(cat|stack|to)$|catarray", "copies"),
        (r"elementwise|add|sub|mul|div|exp(?!and)|sin|cos|silu|gelu|upsample", "element_wise"),
    )
)
#: Inside an attention module, the parts of an attention that is computed piece by piece.
_BATCHED_PRODUCTS = ("aten::bmm", "aten::baddbmm", "aten::matmul")

_OPERATORS = ("cpu_op", "operator")
_SCOPES = ("user_annotation",)
_KERNELS = ("kernel", "gpu_memcpy", "gpu_memset", "memcpy", "memset")
_DRIVER_CALLS = ("cuda_runtime", "cuda_driver", "runtime", "driver")
_LAUNCHES = re.compile(r"(cuda|cu|hip)(LaunchKernel|LaunchCooperativeKernel|Memcpy|Memset)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event, in seconds from the step's begin.

    ``id`` joins a kernel to the operator that launched it.
    """

    name: str
    begin: float
    end: float
    is_scope: bool
    on_device: bool
    id: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """Where one step's time went. ``by_kernel`` holds the same seconds by name, without idle.

    ``num_launched`` kernels, copies and fills were launched one by one (not by a CUDA graph), of
    which the trace lacks ``num_lost``.
    """

    seconds: float
    by_class: dict[str, float]
    by_kernel: dict[str, float]
    num_launched: int = 0
    num_lost: int = 0


def class_of(name: str, operator: str | None = None, in_attention: bool = False) -> str:
    """The class of a kernel, or of an operator on a CPU.

    ``operator`` launched it (on a CPU it is the operator). ``in_attention`` says that it ran in
    an attention module: there its batched products and its element-wise work are attention, its
    projections are not.
    """
    lower = name.lower()
    found = next((cls for pattern, cls in _PATTERNS if pattern.search(lower)), "other")
    if in_attention and (found == "element_wise" or operator in _BATCHED_PRODUCTS):
        return "attention"
    return found


def read_step(trace: dict[str, Any], on_device: bool, compiled: bool) -> Step:
    """Take the step in ``trace`` apart; the classes add up to its wall time.

    In compiled networks no scope can stand around the attention modules; but nothing else in
    them multiplies in batches.
    """
    raw = [e for e in trace["traceEvents"] if e.get("ph") == "X"]
    (step,) = (e for e in raw if e["name"] == STEP_SCOPE and _category(e) in _SCOPES)
    events = [_event(e, step["ts"]) for e in raw if _is_of_step(e, step)]
    step_s = step["dur"] / 1e6
    operators = [  # with the operator that each came from, and whether that was in an attention
        (event, seconds, event.name, scoped or (compiled and event.name in _BATCHED_PRODUCTS))
        for event, seconds, scoped in _own_time([e for e in events if not e.on_device], step_s)
    ]
    ran = [entry for entry in operators if not entry[0].is_scope]
    if on_device:
        launched = {event.id: (name, scoped) for event, _, name, scoped in operators}
        launched[None] = ("", False)  # a CUDA graph's
        kernels = _own_time([e for e in events if e.on_device], step_s)
        ran = [(e, s, *launched.get(e.id, launched[None])) for e, s, _ in kernels]
    by_class = dict.fromkeys(CLASSES, 0.0)
    by_kernel: defaultdict[str, float] = defaultdict(float)
    for event, seconds, operator, in_attention in ran:
        by_class[class_of(event.name, operator, in_attention)] += seconds
        by_kernel[event.name] += seconds
    by_class["idle"] = max(0.0, step_s - sum(by_class.values()))
    launched_ones = _launched(raw, step)
    num_lost = len(launched_ones - {_correlation(e) for e in raw if _category(e) in _KERNELS})
    return Step(step_s, by_class, dict(by_kernel), len(launched_ones), num_lost)


def _launched(raw: list[dict[str, Any]], step: dict[str, Any]) -> set[int | None]:
    """What joins each launch within the step to its kernel on the device."""
    end = step["ts"] + step["dur"]
    return {
        _correlation(e)
        for e in raw
        if _category(e) in _DRIVER_CALLS
        and step["ts"] <= e["ts"] < end
        and _LAUNCHES.match(e["name"])
    }


def _correlation(event: dict[str, Any]) -> int | None:
    return event.get("args", {}).get("correlation")


def _category(event: dict[str, Any]) -> str:
    return str(event.get("cat", "")).lower()


def _is_of_step(event: dict[str, Any], step: dict[str, Any]) -> bool:
    """Whether it began within the step, on the host's own thread or on the device."""
    if event is step or not step["ts"] <= event["ts"] < step["ts"] + step["dur"]:
        return False
    category = _category(event)
    of_host = category in (*_OPERATORS, *_SCOPES) and event["tid"] == step["tid"]
    return of_host or category in _KERNELS


def _event(raw: dict[str, Any], origin_us: float) -> Event:
    begin_us = raw["ts"] - origin_us
    return Event(
        name=raw["name"],
        begin=begin_us / 1e6,
        end=(begin_us + raw["dur"]) / 1e6,
        is_scope=_category(raw) in _SCOPES,
        on_device=_category(raw) in _KERNELS,
        id=raw.get("args", {}).get("External id"),
    )


def _own_time(events: list[Event], end: float) -> Iterator[tuple[Event, float, bool]]:
    """Each event, the time up to ``end`` in which it is the innermost one, and whether it stands
    in an attention module. No moment is given to two events.
    """
    owned: dict[int, float] = {}
    inside: dict[int, bool] = {}
    ordered = sorted(events, key=lambda e: (e.begin, -e.end))
    open_ones: list[int] = []
    cursor = 0.0

    def close_until(moment: float) -> None:
        nonlocal cursor
        while open_ones and ordered[open_ones[-1]].end <= moment:
            last = open_ones.pop()
            until = min(ordered[last].end, end)
            owned[last] += max(0.0, until - cursor)
            cursor = max(cursor, until)

    for index, event in enumerate(ordered):
        close_until(event.begin)
        if open_ones:
            owned[open_ones[-1]] += max(0.0, event.begin - cursor)
        cursor = max(cursor, event.begin)
        owned[index] = 0.0
        inside[index] = any(ordered[i].name == ATTENTION_SCOPE for i in open_ones)
        open_ones.append(index)
    close_until(float("inf"))
    yield from ((event, owned[i], inside[i]) for i, event in enumerate(ordered))
