"""The telemetry of a round: starts its process, and takes what that brings back.

It runs beside the worker, in an interpreter without torch. The worker tells it only when
a timed iteration begins and ends, outside the timed region.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sd_bench.capabilities.nvidia_driver import first_uuid

PERIOD_S = 0.2
#: How long the observer may take to answer; a driver that hangs must not hang the round.
_ANSWER_LIMIT_S = 10.0
_SCRIPT = Path(__file__).with_name("telemetry_process.py")


@dataclass(frozen=True, slots=True)
class Observed:
    """What the observer brought back. Times (``at``) are of CLOCK_MONOTONIC, in seconds.

    ``readings`` come in pairs, the counters before and after each timed iteration. ``cpu_s`` is the
    processor time that the observer has used in its life.
    """

    samples: list[dict[str, float]] = field(default_factory=list)
    readings: list[dict[str, float]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    cpu_s: float = 0.0


class Observer:
    """The telemetry's process, from its start to ``stop``."""

    def __init__(self, device: torch.device, period_s: float = PERIOD_S) -> None:
        uuid = _gpu_uuid(device)
        arguments = [str(period_s), str(os.getpid()), uuid, _pynvml_folder()]
        self._lost: str | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def read_counters(self) -> None:
        """Have all counters read, and wait until they are; never raises, never hangs."""
        if self._lost is not None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(b".")
        if not select.select([self._process.stdout], [], [], _ANSWER_LIMIT_S)[0]:
            self._lost = f"the observer did not answer in {_ANSWER_LIMIT_S:.0f} s"
        elif not self._process.stdout.read(1):
            self._lost = "the observer ended before the iterations did"

    def stop(self) -> Observed:
        """End the process and give all that it has; with a note instead if it has nothing."""
        if self._lost is None:
            try:
                said, _ = self._process.communicate(timeout=_ANSWER_LIMIT_S)
                return Observed(**json.loads(said))
            except (subprocess.TimeoutExpired, ValueError):
                self._lost = "the observer ended without an answer"
        self.kill()
        return Observed(notes={"observer": self._lost})

    def kill(self) -> None:
        """End the process at once, if it still runs."""
        with self._process:
            self._process.kill()


@contextmanager
def observing(wanted: bool, device: torch.device) -> Iterator[Observer | None]:
    """An observer for as long as the context lasts, or None if it is not wanted or not possible."""
    if not wanted or sys.platform != "linux":
        yield None
        return
    observer = Observer(device)
    try:
        yield observer
    finally:
        observer.kill()


def _gpu_uuid(device: torch.device) -> str:
    """The driver's name of the worker's GPU; empty on a CPU."""
    return (first_uuid() or "") if device.type == "cuda" else ""


def _pynvml_folder() -> str:
    """Where the script finds pynvml, which is not imported here; empty if it is nowhere."""
    spec = importlib.util.find_spec("pynvml")
    if spec is None or spec.origin is None:
        return ""
    module = Path(spec.origin)
    return str(module.parent.parent if module.stem == "__init__" else module.parent)
