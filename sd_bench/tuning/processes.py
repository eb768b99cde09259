"""The processes of a race: which are alive, how long they took to start, and room for more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from sd_bench.config.schema import Config
from sd_bench.execution.slots import Slot
from sd_bench.tuning.candidates import Candidate
from sd_bench.tuning.machine import free_bytes
from sd_bench.tuning.timing_process import CandidateLostError, Ready, TimingProcess

#: How long a process may take to answer: a multiple of the expected time, and at least this long.
_PATIENCE, _LEAST_PATIENCE_S = 20.0, 60.0
#: The memory that a further process needs, as a multiple of the largest so far.
_ROOM = 1.2
#: The overrides that name a candidate.
Overrides = tuple[str, ...]


class Processes:
    """A context that ends all its processes when it is left.

    ``slot_of`` keeps other commands on this machine waiting while a process computes. ``ready``
    also holds processes that have ended.
    """

    def __init__(self, slot_of: Callable[[Config], AbstractContextManager[Slot]]) -> None:
        self._slot_of = slot_of
        self._processes: dict[Overrides, TimingProcess] = {}
        self.ready: dict[Overrides, Ready] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for overrides in list(self._processes):
            self._close(overrides)

    @property
    def live(self) -> set[Overrides]:
        """The candidates whose processes are alive."""
        return set(self._processes)

    def start(self, candidate: Candidate, limit_s: float) -> Ready:
        """Start a process and wait until it is ready. Raises CandidateLostError."""
        with self._slot_of(candidate.config) as slot:
            process = TimingProcess(candidate, slot)
            try:
                ready = process.make_ready(max(1.0, limit_s))
            except BaseException:
                process.close()
                raise
        self._processes[candidate.overrides] = process
        self.ready[candidate.overrides] = ready
        return ready

    def close_all_but(self, kept: Overrides) -> None:
        """End all processes but that of ``kept``."""
        for overrides in self.live - {kept}:
            self._close(overrides)

    def time_each(
        self, order: Sequence[Overrides], calls: int, config: Config
    ) -> tuple[dict[Overrides, float], dict[Overrides, CandidateLostError]]:
        """Time ``calls`` UNet calls of each candidate in ``order``.

        Returns the seconds per call, and the candidates whose processes were lost.
        """
        seconds, lost = {}, {}
        with self._slot_of(config):
            for overrides in order:
                expected_s = calls * self.ready[overrides].call_s
                limit_s = max(_LEAST_PATIENCE_S, _PATIENCE * expected_s)
                try:
                    seconds[overrides] = self._processes[overrides].time(calls, limit_s)
                except CandidateLostError as error:
                    self._close(overrides)
                    lost[overrides] = error
        return seconds, lost

    def why_no_room(self) -> str | None:
        """Why no further process fits into memory beside those alive, or ``None`` if one does."""
        of_device = [ready for ready in self.ready.values() if ready.device_peak is not None]
        if of_device and (left := of_device[-1].device_free) is not None:
            needed_there = _ROOM * max(ready.device_peak or 0 for ready in of_device)
            if left < needed_there:
                return _no_room(needed_there, left, "GPU memory")
        free, needed = free_bytes(), _ROOM * max(r.memory_bytes for r in self.ready.values())
        return _no_room(needed, free, "memory") if free is not None and free < needed else None

    def _close(self, overrides: Overrides) -> None:
        process = self._processes.pop(overrides, None)
        if process is not None:
            process.close()


def _no_room(needed: float, free: float, kind: str) -> str:
    return f"needs about {needed / 1e9:.1f} GB of {kind}, but only {free / 1e9:.1f} GB are free"
