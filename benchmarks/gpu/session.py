"""A call of run.py: its time limit, its log, and the commands that it runs."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parents[2]

#: The share of the time that is reserved for charts and packing.
RESERVED = 0.08
#: With less time left than this nothing more is started.
LEAST_S = 5
#: How long a command may take to stop on request before it is killed.
STOPPING_S = 3
#: How often the output of a command is checked for silence.
_LOOKING_S = 0.5

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SetupError(Exception):
    """Nothing can be measured; the message is one line that says what to do."""


class Stopped(BaseException):
    """This call was ended from outside, by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Answer(NamedTuple):
    """How a command ended: its exit code, None if it was cut off, and its output.

    ``silent``: it was cut off because it printed nothing for too long.
    """

    code: int | None
    output: str
    silent: bool = False

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"


class Session:
    """The time and the log of a call. Its clock starts with the process, not with the script."""

    def __init__(self, log: BinaryIO, environment: Mapping[str, str], limit_s: float) -> None:
        self.log = log
        self.environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self.limit_s = limit_s
        self.began = self.now() - _age_s()

    def now(self) -> float:
        return time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return self.now() - self.began

    @property
    def left_s(self) -> float:
        """Seconds left for measuring."""
        return self.limit_s * (1 - RESERVED) - self.elapsed_s

    @property
    def left_to_close_s(self) -> float:
        """Seconds left for charts, without what the archive takes."""
        return self.limit_s - STOPPING_S - self.elapsed_s

    def run(
        self, kind: str, command: Sequence[str], limit_s: float, silence_s: float = math.inf
    ) -> Answer:
        """Run ``command`` for at most ``limit_s`` seconds, with its output in the log.

        It is also cut off when it has printed nothing for ``silence_s``. ``kind`` is the kind of
        command, which only a rehearsal uses.
        """
        start = self.log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code, silent = self._wait(process, limit_s, silence_s)
        finally:
            _end(process)
        self.log.seek(start)
        return Answer(code, self.log.read().decode(errors="replace"), silent)

    def _wait(
        self, process: subprocess.Popen[bytes], limit_s: float, silence_s: float
    ) -> tuple[int | None, bool]:
        end_s = time.monotonic() + limit_s
        size, last_output_s = 0, time.monotonic()
        while (left_s := end_s - time.monotonic()) > 0:
            wait_s = left_s if silence_s == math.inf else min(left_s, _LOOKING_S)
            with suppress(subprocess.TimeoutExpired):
                return process.wait(wait_s), False
            if (now_size := os.fstat(self.log.fileno()).st_size) != size:
                size, last_output_s = now_size, time.monotonic()
            if time.monotonic() - last_output_s > silence_s:
                return None, True
        return process.poll(), False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a running process to stop, then kill its whole group."""
    with suppress(subprocess.TimeoutExpired, ProcessLookupError):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOPPING_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _age_s() -> float:
    """Seconds since this process was started; 0 if the system does not know."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def listen() -> None:
    """Raise Stopped on signals that would end this process."""

    def stop(number: int, _: object) -> NoReturn:
        raise Stopped(number)

    for number in _SIGNALS:
        signal.signal(number, stop)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore such signals until the block has finished."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
