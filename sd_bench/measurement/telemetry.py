"""Watch a round: counters at both ends of each timed iteration, and a telemetry process.

The process runs beside the worker, in an interpreter without torch. The worker only signals it
when a timed iteration begins and ends, outside the timed region. With ``telemetry=false`` there is
no process, but the worker's own counters are still read.
"""

from __future__ import annotations

import importlib.util
import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from sd_bench.capabilities.nvidia_driver import first_uuid
from sd_bench.capabilities.processors import own_processors
from sd_bench.measurement.host_counters import HostCounters, between

PERIOD_S = 0.2
#: How long the observer may take to answer; a driver that hangs must not hang the round.
_ANSWER_LIMIT_S = 10.0
_SCRIPT = Path(__file__).with_name("telemetry_process.py")


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything observed in a round. Times (``at``) are CLOCK_MONOTONIC, in seconds.

    ``readings`` come in pairs: the observer's counters before and after each timed iteration.
    ``counted`` holds the differences of the worker's own counters over each. ``cpu_s`` is the total
    processor time that the observer used.
    """

    samples: list[dict[str, float]] = field(default_factory=list)
    readings: list[dict[str, float]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    cpu_s: float = 0.0
    counted: list[dict[str, float]] = field(default_factory=list)


class Observer:
    """Runs the telemetry process until ``stop`` or ``kill``."""

    def __init__(self, device: torch.device, period_s: float = PERIOD_S) -> None:
        uuid = _gpu_uuid(device)
        processors = ",".join(map(str, own_processors()))  # the worker's first thread may be bound
        arguments = [str(period_s), uuid, _pynvml_folder(), processors]
        self._lost: str | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def read_counters(self) -> None:
        """Make the process read all counters, and wait until it has; never raises or hangs."""
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
        """End the process and return what it observed, or only a note if it did not answer."""
        if self._lost is None:
            try:
                answer, _ = self._process.communicate(timeout=_ANSWER_LIMIT_S)
                return Observed(**json.loads(answer))
            except (subprocess.TimeoutExpired, ValueError):
                self._lost = "the observer ended without an answer"
        self.kill()
        return Observed(notes={"observer": self._lost})

    def kill(self) -> None:
        """End the process at once, if it still runs."""
        with self._process:
            self._process.kill()


class RoundWatch:
    """Reads the counters around each timed iteration; ``observer`` is the telemetry, if any."""

    def __init__(self, host: HostCounters, observer: Observer | None) -> None:
        self._host = host
        self.observer = observer
        self._counted: list[dict[str, float]] = []

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Enclose a timed iteration in this as closely as possible, outside its timed region."""
        if self.observer is not None:
            self.observer.read_counters()
        before = self._host.read()
        yield
        self._counted.append(between(before, self._host.read()))
        if self.observer is not None:
            self.observer.read_counters()

    def stop(self) -> Observed:
        """Everything that was counted, and the telemetry's results."""
        observed = Observed() if self.observer is None else self.observer.stop()
        return replace(observed, counted=self._counted)


@contextmanager
def watching(device: torch.device, telemetry: bool) -> Iterator[RoundWatch]:
    """Watch a round, with telemetry if ``telemetry`` is set and the system is Linux."""
    with HostCounters() as host:
        observer = Observer(device) if telemetry and sys.platform == "linux" else None
        try:
            yield RoundWatch(host, observer)
        finally:
            if observer is not None:
                observer.kill()


def _gpu_uuid(device: torch.device) -> str:
    """The driver's ID of the worker's GPU; empty on a CPU."""
    return (first_uuid() or "") if device.type == "cuda" else ""


def _pynvml_folder() -> str:
    """The folder from which the script can import pynvml; empty if it is not installed."""
    spec = importlib.util.find_spec("pynvml")
    if spec is None or spec.origin is None:
        return ""
    module = Path(spec.origin)
    return str(module.parent.parent if module.stem == "__init__" else module.parent)
