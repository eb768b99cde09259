"""One round in a fresh process: start it, follow it, and have a record whatever becomes of it."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sd_bench.config.conversion import to_dict
from sd_bench.execution.cell import Cell
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.slots import Slot
from sd_bench.execution.worker import (
    EXIT_CANNOT_WRITE,
    EXIT_OTHER_ENVIRONMENT,
    Request,
    blank_record,
    without_profile,
)
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR
from sd_bench.records import (
    Failure,
    FirstAttempt,
    Looks,
    Record,
    read_record,
    record_path,
    write_record,
)

_TAIL_BYTES = 4000
_FILLED = "filled"
#: What compiled cells get besides. Generated kernels are named after what was fused into them
#: (PyTorch 2.0 does not by itself), and a profiler's end leaves CUDA graphs intact (CUDA before
#: 12.6): PyTorch sees to that itself only where its own option asks for graphs.
_COMPILED_ENVIRONMENT = {
    "TORCHINDUCTOR_UNIQUE_KERNEL_NAMES": "1",
    "TEARDOWN_CUPTI": "0",
    "DISABLE_CUPTI_LAZY_REINIT": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A round of a cell, with its place in the order of the whole plan.

    ``profiled`` says that with ``profile=true`` a step of it is taken apart. ``looks`` and
    ``first_attempt`` go into its record.
    """

    planned: PlannedCell
    cell_index: int
    round: int
    position: int
    profiled: bool = False
    looks: Looks | None = None
    first_attempt: FirstAttempt | None = None

    @property
    def record_path(self) -> Path:
        return record_path(self.planned.cell.folder, self.round)

    def blank(self) -> Record:
        cell = self.planned.cell
        record = blank_record(cell.config, cell.sweep, cell.job, self.round, self.position)
        return replace(record, looks=self.looks, first_attempt=self.first_attempt)


class OtherEnvironmentError(Exception):
    """The worker has found itself in an ``environment`` that the round may not be measured in."""

    def __init__(self, environment: dict[str, Any]) -> None:
        super().__init__("another environment")
        self.environment = environment


def declare_unsupported(turn: Turn) -> Record:
    """The record of a cell that cannot run here; no process is needed. Raises OSError."""
    record = replace(turn.blank(), status="unsupported", reason=turn.planned.reason)
    write_record(turn.record_path, record)
    return record


class RunningRound:
    """A worker that measures ``turn`` in ``slot``.

    ``fingerprints`` are those of the environments that it may do so in, all if there are none.
    Raises OSError if the sweep's folder cannot be written.
    """

    def __init__(
        self, turn: Turn, slot: Slot, fingerprints: Sequence[str], warnings: Sequence[str]
    ) -> None:
        assert turn.planned.interpreter is not None
        self.turn = turn
        self.slot = slot
        self.began = time.monotonic()
        self._blank = replace(turn.blank(), warnings=list(warnings))
        config = turn.planned.cell.config
        limit_s = config.protocol.time_limit_s
        self.deadline = None if limit_s is None else self.began + limit_s
        self._timed_out = False
        self._pending = b""
        self._has_said_all = False
        self._environment: dict[str, Any] | None = None
        self._is_kept = False
        self._log = log_path(turn.planned.cell.folder, turn.round)
        cache = compile_cache_dir(turn.planned.cell.folder)
        self._read_fd, write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        request = Request(
            config=to_dict(config),
            folder=str(turn.planned.cell.folder),
            sweep=self._blank.sweep,
            job=self._blank.job,
            round=turn.round,
            position=turn.position,
            report_fd=write_fd,
            profile=turn.profiled and config.profile,
            fingerprints=list(fingerprints),
            warnings=list(warnings),
            looks=_as_dict(turn.looks),
            first_attempt=_as_dict(turn.first_attempt),
            compile_cache=_state_of(cache) if config.compile.mode != "off" else None,
        )
        try:
            with self._log.open("wb") as log, tempfile.TemporaryFile() as asked:
                asked.write(json.dumps(dataclasses.asdict(request)).encode())
                asked.seek(0)
                self._process = subprocess.Popen(
                    [turn.planned.interpreter.executable, "-m", "sd_bench.execution.worker"],
                    stdin=asked,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(write_fd,),
                    env=worker_environment(cache if config.compile.mode != "off" else None, slot),
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._read_fd)
            raise
        finally:
            os.close(write_fd)
        self._end_fd = _watch_end(self._process.pid)

    @property
    def files(self) -> list[int]:
        """What becomes readable when the worker says something, or ends."""
        if self._end_fd is None:
            return [self._read_fd]
        return [self._end_fd] if self._has_said_all else [self._read_fd, self._end_fd]

    def hear(self) -> list[str]:
        """The phases that the worker has entered since it was last heard."""
        phases = []
        while chunk := self._read():
            *lines, self._pending = (self._pending + chunk).split(b"\n")
            for message in map(json.loads, lines):
                if "phase" in message:
                    phases.append(message["phase"])
                elif "kept" in message:
                    self._is_kept = True
                else:
                    self._environment = message["environment"]
        return phases

    def _read(self) -> bytes:
        try:
            chunk = os.read(self._read_fd, 65536)
        except BlockingIOError:
            return b""
        self._has_said_all = not chunk
        return chunk

    def is_over(self) -> bool:
        """Whether the worker has ended, or its time limit has run out."""
        ended = self._process.poll() is not None
        is_late = self.deadline is not None and time.monotonic() >= self.deadline
        self._timed_out = is_late and not ended
        return ended or is_late

    def finish(self) -> Record:
        """End the worker and give the round's record, which is on disk by then.

        Raises OtherEnvironmentError if it would not measure, OSError if the folder takes no files.
        """
        self.hear()
        self.kill()
        returncode, cell = self._process.returncode, self.turn.planned.cell
        if returncode == EXIT_OTHER_ENVIRONMENT and self._environment is not None:
            self._log.unlink(missing_ok=True)
            raise OtherEnvironmentError(self._environment)
        if returncode == EXIT_CANNOT_WRITE:
            raise OSError(errno.ENOSPC, "the disk is full or read-only", str(cell.folder))
        ended = _judge(returncode, self._timed_out, cell.config.protocol.time_limit_s)
        if ended is None:
            return self._accept(cell)
        status, failure = ended
        if self._is_kept:  # all was measured before: only the profile is lost
            record = without_profile(self._accept(cell), failure.message)
            write_record(self.turn.record_path, record)
            return record
        failure = replace(failure, detail=_tail(self._log))
        record = replace(self._blank, status=status, reason=failure.message, failure=failure)
        write_record(self.turn.record_path, record)
        return record

    def _accept(self, cell: Cell) -> Record:
        """The record that the worker has written."""
        record = read_record(self.turn.record_path)
        if record.times is not None and cell.config.compile.mode != "off":
            (compile_cache_dir(cell.folder) / _FILLED).touch()
        if record.status in ("ok", "unsupported"):
            self._log.unlink(missing_ok=True)
        return record

    def kill(self) -> None:
        """End the worker's whole process group, compile helpers included, and reap it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for fd in (self._read_fd, self._end_fd):
            if fd is not None:
                os.close(fd)


def _as_dict(of_record: Looks | FirstAttempt | None) -> dict[str, Any] | None:
    return None if of_record is None else dataclasses.asdict(of_record)


def _watch_end(pid: int) -> int | None:
    """A file that becomes readable when the process ends, where the system has such a thing.

    The pipe alone would not tell: a child that the worker leaves behind may hold it open.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def worker_environment(cache: Path | None, slot: Slot) -> dict[str, str]:
    """What a worker in ``slot`` gets, with ``cache`` for the kernels it compiles."""
    environment = {**os.environ, **slot.environment}
    environment.pop("HYDRA_FULL_ERROR", None)
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts devices
    if IS_CHECKOUT:  # the worker runs this very code, whatever its interpreter has installed
        paths = [str(PACKAGE_DIR.parent), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if cache is not None:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
        environment["TRITON_CACHE_DIR"] = str(cache / "triton")
        for name, value in _COMPILED_ENVIRONMENT.items():
            environment.setdefault(name, value)
    return environment


def log_path(folder: Path, round_index: int) -> Path:
    """What a round's worker has printed; kept where the round failed."""
    return folder / f"round-{round_index}.log"


def compile_cache_dir(folder: Path) -> Path:
    """A cell's own cache of compiled kernels: no cell finds another's there."""
    return folder / ".compile_cache"


def _state_of(cache: Path) -> str:
    """Whether a round before has compiled to its end, and not only begun."""
    return "warm" if (cache / _FILLED).exists() else "cold"


def _judge(
    returncode: int, timed_out: bool, time_limit_s: float | None
) -> tuple[str, Failure] | None:
    """``None`` if the worker ended well, else a status and what went wrong."""
    if timed_out:
        message = f"ran longer than protocol.time_limit_s={time_limit_s} seconds"
        return "timeout", Failure(type="Timeout", message=message)
    if returncode == 0:
        return None
    if returncode < 0:
        name = _signal_name(-returncode)
        message = f"the worker was ended by {name}"
        return "crashed", Failure(type="Signal", message=message, signal=name)
    message = f"the worker ended with exit code {returncode}"
    return "crashed", Failure(type="Exit", message=message, exit_code=returncode)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals between the named two
        return f"signal {number}"


def _tail(log: Path) -> str:
    try:
        return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return ""
