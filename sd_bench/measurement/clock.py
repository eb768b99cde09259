"""Wall time with the device synchronised, and stage and step times taken without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import torch
from msgspec import structs

from sd_bench.records import Iteration

T = TypeVar("T")
_STAGES = ("text_encode", "denoise", "vae_decode")


def synchronise(device: torch.device) -> None:
    """Wait until ``device`` has finished all queued work. A CPU has none."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize()


class _Timer(Protocol):
    def start(self) -> None: ...

    def step(self) -> None: ...

    def stage(self, name: str) -> None: ...

    def seconds(self) -> list[tuple[str, float]]:
        """The name and time since the start of each end of a step or stage."""


class _CpuTimer:
    def __init__(self) -> None:
        self._times: list[tuple[str, int]] = []

    def start(self) -> None:
        self._begin = time.perf_counter_ns()

    def step(self) -> None:
        self._times.append(("step", time.perf_counter_ns()))

    def stage(self, name: str) -> None:
        self._times.append((name, time.perf_counter_ns()))

    def seconds(self) -> list[tuple[str, float]]:
        return [(name, (t - self._begin) / 1e9) for name, t in self._times]


class _EventTimer:
    """Puts events into the stream; the device records the time when it reaches them."""

    def __init__(self, device: torch.device) -> None:
        self._make_event: Callable[..., Any] = getattr(torch, device.type).Event
        self._events: list[tuple[str, Any]] = []

    def start(self) -> None:
        self.stage("start")

    def step(self) -> None:
        self.stage("step")

    def stage(self, name: str) -> None:
        event = self._make_event(enable_timing=True)
        event.record()
        self._events.append((name, event))

    def seconds(self) -> list[tuple[str, float]]:
        (_, begin), *ends = self._events
        return [(name, begin.elapsed_time(event) / 1e3) for name, event in ends]


def timed_call(device: torch.device, call: Callable[[], T]) -> tuple[float, T]:
    """The seconds that ``call`` took, synchronised before and after, and its result."""
    synchronise(device)
    begin = time.perf_counter_ns()
    result = call()
    synchronise(device)
    return (time.perf_counter_ns() - begin) / 1e9, result


def timed_iteration(device: torch.device, call: Callable[[_Timer], T]) -> tuple[Iteration, T]:
    """Time one text-to-image call, which reports the end of its steps and stages to the timer.

    ``begun_s`` is the clock's own value; ``counted_from`` makes it relative to a round's start.
    """
    timer: _Timer = _CpuTimer() if device.type == "cpu" else _EventTimer(device)
    synchronise(device)
    begin = time.perf_counter_ns()
    timer.start()
    result = call(timer)
    synchronise(device)
    total_s = (time.perf_counter_ns() - begin) / 1e9
    iteration = _iteration(total_s, timer.seconds(), device.type != "cpu")
    return structs.replace(iteration, begun_s=begin / 1e9), result


def counted_from(begun_s: float, iterations: list[Iteration]) -> list[Iteration]:
    """``iterations`` with ``begun_s`` relative to the clock value ``begun_s``."""
    return [
        structs.replace(i, begun_s=i.begun_s - begun_s) for i in iterations if i.begun_s is not None
    ]


def _iteration(total_s: float, timed: list[tuple[str, float]], on_device: bool) -> Iteration:
    ends = {name: t for name, t in timed if name in _STAGES}
    if not ends:  # one call without stages
        return Iteration(
            total_s=total_s,
            text_encode_s=None,
            denoise_s=None,
            vae_decode_s=None,
            steps_s=[],
        )
    step_ends = [ends["text_encode"], *(t for name, t in timed if name == "step")]
    return Iteration(
        total_s=total_s,
        text_encode_s=ends["text_encode"],
        denoise_s=ends["denoise"] - ends["text_encode"],
        vae_decode_s=ends["vae_decode"] - ends["denoise"],
        steps_s=[after - before for before, after in pairwise(step_ends)],
        device_total_s=ends["vae_decode"] if on_device else None,
    )
