"""The race's handle of a candidate's process: start it, request times, and always end it.

Its answers are not trusted: the process may hang or answer anything.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sd_bench.config.conversion import to_dict
from sd_bench.errors import printable
from sd_bench.execution.compile_cache import remove_cache
from sd_bench.execution.slots import Slot
from sd_bench.execution.worker_process import worker_environment
from sd_bench.tuning.candidates import Candidate

#: The most bytes of an answer.
_LONGEST_ANSWER = 2**16
_STATUSES = ("unsupported", "oom", "failed", "invalid")


class CandidateLostError(Exception):
    """A candidate's process has ended or must be ended; ``status`` is one of a record's."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a process reports when it is ready: seconds, memory and a sketch of a prediction.

    ``ready_s`` is the time since its start; ``convert_s`` is the part that later processes need
    not spend again, because it is cached. ``num_calls`` is the number of UNet calls per image.
    ``sketch`` is that of a call's prediction (`sd_bench.measurement.sketches`). ``memory_bytes`` is
    the process's peak. ``device_peak`` and ``device_free`` are bytes of GPU memory, ``None`` on a
    CPU.
    """

    ready_s: float
    first_call_s: float
    call_s: float
    convert_s: float
    num_calls: int
    sketch: tuple[float, ...]
    memory_bytes: int
    device_peak: int | None
    device_free: int | None


class TimingProcess:
    """Runs ``candidate`` in a process in ``slot``; call ``close`` at the end."""

    def __init__(self, candidate: Candidate, slot: Slot) -> None:
        planned = candidate.planned
        assert planned is not None
        assert planned.interpreter is not None
        self._cell = planned.cell
        self._cell.folder.mkdir(parents=True, exist_ok=True)
        compiled = self._cell if candidate.is_compiled else None
        environment = worker_environment(self._cell.config, slot, compiled)
        self._answers, answers = os.pipe()
        self._received = b""
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [planned.interpreter.executable, "-m", "sd_bench.tuning.timing_worker",
                 str(answers)],
                stdin=subprocess.PIPE, stdout=self._printed, stderr=subprocess.STDOUT,
                pass_fds=(answers,), env=environment, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(self._answers)
            self._printed.close()
            raise
        finally:
            os.close(answers)

    @property
    def label(self) -> str:
        return self._cell.label

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def make_ready(self, limit_s: float) -> Ready:
        """Let the process build and warm up its networks. Raises CandidateLostError."""
        self._ask(to_dict(self._cell.config))
        answer = self._answer(limit_s)
        try:
            return Ready(
                **{n: float(answer[n]) for n in ("ready_s", "first_call_s", "call_s", "convert_s")},
                num_calls=int(answer["num_calls"]),
                sketch=tuple(map(float, answer["sketch"])),
                memory_bytes=int(answer["memory_bytes"]),
                device_peak=_bytes(answer["device_peak"]),
                device_free=_bytes(answer["device_free"]),
            )
        except (KeyError, TypeError, ValueError):
            raise CandidateLostError("failed", f"its process answered {answer!r:.100}") from None

    def time(self, calls: int, limit_s: float) -> float:
        """Seconds per UNet call over ``calls`` calls in a row. Raises CandidateLostError."""
        self._ask({"calls": calls})
        answer = self._answer(limit_s)
        seconds = answer.get("call_s")
        if not isinstance(seconds, float) or not 0 < seconds < math.inf:
            raise CandidateLostError("failed", f"its process answered {answer!r:.100}")
        return seconds

    def close(self) -> None:
        """End the process and all its children, and remove its compile cache."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        if not self._printed.closed:
            os.close(self._answers)
            self._printed.close()
        remove_cache(self._cell.folder)

    def _ask(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{json.dumps(message)}\n".encode())
            self._process.stdin.flush()
        except OSError:
            raise self._died() from None

    def _answer(self, limit_s: float) -> dict[str, Any]:
        until = time.monotonic() + limit_s
        while b"\n" not in self._received:
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([self._answers], [], [], left_s)[0]:
                raise CandidateLostError("timeout", f"no answer within {limit_s:.0f} s")
            read = os.read(self._answers, _LONGEST_ANSWER)
            self._received += read
            if not read:
                raise self._died()
            if len(self._received) > _LONGEST_ANSWER:
                raise CandidateLostError("failed", "its process sent an answer that is too long")
        line, _, self._received = self._received.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CandidateLostError("failed", "its process did not answer in JSON")
        if (status := answer.get("lost")) in _STATUSES:
            raise CandidateLostError(status, printable(answer.get("reason", status), 300))
        return answer

    def _died(self) -> CandidateLostError:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return CandidateLostError("crashed", "its process closed the pipe for its answers")
        if code == -signal.SIGKILL:
            return CandidateLostError(
                "crashed", "killed (SIGKILL), as Linux does when memory runs out"
            )
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._printed.seek(0)
        lines = self._printed.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return CandidateLostError("crashed", printable(f"{how}: {last}".rstrip(": "), 300))


def _bytes(value: Any) -> int | None:
    return None if value is None else int(value)
