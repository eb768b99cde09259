"""Runs one round in its own process: starts it, follows it, and gets a record whatever happens.

Nothing that comes from the process is trusted: not its exit code, its reports or its record.
"""

from __future__ import annotations

import errno
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from sd_bench.capabilities import threads
from sd_bench.capabilities.allocators import variables_of
from sd_bench.config.conversion import to_dict
from sd_bench.config.schema import Config
from sd_bench.execution.cell import Cell
from sd_bench.execution.compile_cache import (
    make_cache,
    mark_filled,
    state_of_cache,
    unused_caches,
)
from sd_bench.execution.finished_rounds import set_aside
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.processes import (
    ForkServer,
    ForkServers,
    RoundFiles,
    ServerLostError,
    SpawnedProcess,
    StartUp,
)
from sd_bench.execution.record_check import NotTheRecordError, record_left, stamp_of
from sd_bench.execution.slots import Slot
from sd_bench.execution.worker import (
    EXIT_CANNOT_WRITE,
    EXIT_OTHER_ENVIRONMENT,
    Request,
    blank_record,
    without_profile,
)
from sd_bench.execution.worker_output import OutputLog, Reports
from sd_bench.measurement.printing import has_printed
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR
from sd_bench.records import (
    Failure,
    FirstAttempt,
    Looks,
    Record,
    Status,
    record_path,
    write_record,
)

#: How much of the end of a failed round's output goes into its record.
_TAIL_BYTES = 4000
#: A disk with room for this much does not count as full.
_ROUND_BYTES = 2**24
#: Further variables of compiled cells. The first names generated kernels after the operators fused
#: into them, which PyTorch 2.0 does not do by default. The others keep the end of profiling from
#: breaking CUDA graphs (before CUDA 12.6); PyTorch sets them only if its option asks for graphs.
_COMPILED_ENVIRONMENT = {
    "TORCHINDUCTOR_UNIQUE_KERNEL_NAMES": "1",
    "TEARDOWN_CUPTI": "0",
    "DISABLE_CUPTI_LAZY_REINIT": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A round of a cell, with its place in the order of the whole plan.

    With ``profiled`` and ``profile=true`` one of its steps is profiled. ``looks`` and
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
        return structs.replace(record, looks=self.looks, first_attempt=self.first_attempt)


class OtherEnvironmentError(Exception):
    """The worker runs in an ``environment`` that the round may not be measured in."""

    def __init__(self, environment: dict[str, Any]) -> None:
        super().__init__("another environment")
        self.environment = environment


def declare_unsupported(turn: Turn) -> Record:
    """Write the record of a cell that cannot run here, without a process. Raises OSError."""
    record = structs.replace(turn.blank(), status="unsupported", reason=turn.planned.reason)
    write_record(turn.record_path, record)
    return record


class RunningRound:
    """A worker that measures ``turn`` in ``slot``.

    ``fingerprints`` are those of the environments that it may measure in (any if empty). With
    ``protocol.worker=fork`` one of ``servers`` forks it; if that is lost, the round starts again in
    a fresh interpreter. Raises OSError if the folder cannot be written.
    """

    def __init__(
        self,
        turn: Turn,
        slot: Slot,
        fingerprints: Sequence[str],
        warnings: Sequence[str],
        servers: ForkServers,
    ) -> None:
        self.turn = turn
        self.slot = slot
        self._fingerprints = list(fingerprints)
        is_compiled = turn.planned.cell.config.calls_compiler
        warnings = [*warnings, *(unused_caches() if is_compiled else ())]
        self._blank = structs.replace(turn.blank(), warnings=warnings)
        self._servers = servers
        self._begin()

    def _begin(self, why_not_forked: str | None = None) -> None:
        config = self.turn.planned.cell.config
        limit_s = config.protocol.time_limit_s
        self._began = time.monotonic()
        self.deadline = None if limit_s is None else self._began + limit_s
        self._timed_out = False
        self._before = stamp_of(self.turn.record_path)
        self._log = OutputLog(log_path(self.turn.planned.cell.folder, self.turn.round))
        self._reports = Reports()
        lost = None
        try:
            self._start(why_not_forked)
        except ServerLostError as error:
            lost = str(error)
        except BaseException:
            self._log.close()
            self._reports.close()
            raise
        finally:
            self._log.close_write_end()
            self._reports.close_write_end()
        if lost is not None:
            self._begin_again(lost)

    def _start(self, why_not_forked: str | None) -> None:
        """Start the process that was asked for, or else a spawned one that records the reason."""
        config, interpreter = self.turn.planned.cell.config, self.turn.planned.interpreter
        assert interpreter is not None
        cell = self.turn.planned.cell
        is_compiled = config.calls_compiler
        environment = worker_environment(config, self.slot, cell if is_compiled else None)
        start_up = StartUp.of(interpreter.executable, environment)
        server: ForkServer | str | None = why_not_forked
        if server is None and config.protocol.worker == ForkServer.kind:
            server = self._servers.take(start_up)
        worker = {"kind": ForkServer.kind}
        if not isinstance(server, ForkServer):
            worker = {"kind": SpawnedProcess.kind, **({"reason": server} if server else {})}
        request = Request(
            config=to_dict(config),
            folder=str(cell.folder),
            sweep=self._blank.sweep,
            job=self._blank.job,
            round=self.turn.round,
            position=self.turn.position,
            report_fd=self._reports.write_fd,
            profile=self.turn.profiled and config.profile,
            fingerprints=self._fingerprints,
            warnings=self._blank.warnings,
            looks=self.turn.looks,
            first_attempt=self.turn.first_attempt,
            compile_cache=state_of_cache(cell.folder) if is_compiled else None,
            worker=worker,
            replaced=threads.replaced_by(config, {**os.environ, **self.slot.environment}),
        )
        with tempfile.TemporaryFile() as asked:
            asked.write(msgspec.json.encode(request))
            asked.seek(0)
            files = RoundFiles(
                request=asked.fileno(), output=self._log.write_fd, report=request.report_fd
            )
            if isinstance(server, ForkServer):
                self._process: ForkServer | SpawnedProcess = server
                server.begin(files)
            else:
                self._process = SpawnedProcess(start_up, files)

    @property
    def files(self) -> list[int]:
        """File descriptors that become readable when the worker reports, prints or ends."""
        pipes = [self._log, self._reports]
        ends = self._process.files
        return [*ends, *(pipe.read_fd for pipe in pipes if not (ends and pipe.is_at_end))]

    def hear(self) -> list[str]:
        """Read output and reports; the phases that the worker has entered since the last call."""
        self._log.drain()
        return self._reports.hear()

    def is_over(self) -> bool:
        """Whether the worker has ended, sent an invalid report, or run out of time."""
        try:
            ended = self._process.poll() is not None
        except ServerLostError as error:
            self._begin_again(str(error))
            return False
        is_late = self.deadline is not None and time.monotonic() >= self.deadline
        self._timed_out = is_late and not ended
        return ended or is_late or self._reports.fault is not None

    def _begin_again(self, why: str) -> None:
        assert isinstance(self._process, ForkServer)
        self._servers.give_up(self._process, why)
        self._log.close()
        self._reports.close()
        self._begin(why)

    def finish(self) -> Record:
        """End the worker and return the round's record, which is on disk by then.

        Raises OtherEnvironmentError if the worker refused its environment, OSError if the folder
        cannot be written.
        """
        lived_s = time.monotonic() - self._began
        self.hear()
        exit_code = self.kill()
        found = self._reports.environment
        if exit_code == EXIT_OTHER_ENVIRONMENT and found and self._is_foreign(found):
            self._log.discard()
            raise OtherEnvironmentError(found)
        if exit_code == EXIT_CANNOT_WRITE:
            _try_to_write(self.turn.planned.cell.folder)
        failed = self._failed(exit_code)
        try:
            if failed is not None and not self._reports.is_kept:
                return self._failure(*failed)
            record = record_left(
                self.turn.record_path, self._before, self._blank, self._fingerprints, lived_s
            )
        except NotTheRecordError as error:
            if self.turn.record_path.exists():
                set_aside(self.turn.record_path)
            failure = Failure(type="Record", message=str(error), exit_code=exit_code)
            return self._failure("crashed", failure)
        if failed is not None:  # all was measured before; only the profile is lost
            record = without_profile(record, failed[1].message)
            write_record(self.turn.record_path, record)
        self._accept(record)
        return record

    def _is_foreign(self, environment: dict[str, Any]) -> bool:
        """Whether the round may not be measured in ``environment``."""
        return bool(self._fingerprints) and environment["fingerprint"] not in self._fingerprints

    def _failed(self, exit_code: int) -> tuple[Status, Failure] | None:
        fault = self._reports.fault
        if fault is not None:
            return "crashed", Failure(type="Report", message=fault)
        limit_s = self.turn.planned.cell.config.protocol.time_limit_s
        return _judge(exit_code, self._timed_out, limit_s)

    def _failure(self, status: Status, failure: Failure) -> Record:
        """Write the record of a round that has left none."""
        failure = structs.replace(failure, detail=self._log.last(_TAIL_BYTES))
        record = structs.replace(
            self._blank, status=status, reason=failure.message, failure=failure
        )
        write_record(self.turn.record_path, record)
        return record

    def _accept(self, record: Record) -> None:
        if record.times is not None and record.config["compile"]["mode"] != "off":
            mark_filled(self.turn.planned.cell.folder)
        is_worth_keeping = has_printed(record) and not self._log.is_empty
        if record.status in ("ok", "unsupported") and not is_worth_keeping:
            self._log.discard()

    def kill(self) -> int:
        """End the worker's process group and return its exit code."""
        exit_code = self._process.end()
        if isinstance(self._process, ForkServer):
            self._servers.give_back(self._process)
        self._log.close()
        self._reports.close()
        return exit_code


def _try_to_write(folder: Path) -> None:
    """Raise OSError if ``folder`` has no room for a round's files, or cannot be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, _ROUND_BYTES)
    except FileNotFoundError as error:  # the folder was deleted meanwhile
        raise FileNotFoundError(error.errno, error.strerror, str(folder)) from None
    except OSError:
        message = "the disk is full or read-only"
        raise OSError(errno.ENOSPC, message, str(folder)) from None


def worker_environment(config: Config, slot: Slot, compiled: Cell | None = None) -> dict[str, str]:
    """A worker's environment variables; ``compiled`` is its cell if it compiles. Raises OSError."""
    environment = {**os.environ, **slot.environment}
    environment |= variables_of(config.allocator, environment) | threads.variables_of(config)
    environment.pop("HYDRA_FULL_ERROR", None)
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts devices
    if IS_CHECKOUT:  # the worker runs this code, whatever its interpreter has installed
        paths = [str(PACKAGE_DIR.parent), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if compiled is not None:
        environment |= make_cache(compiled.folder, compiled.sweep_folder)
        for name, value in _COMPILED_ENVIRONMENT.items():
            environment.setdefault(name, value)
    return environment


def log_path(folder: Path, round_index: int) -> Path:
    """The file of what a round's worker printed; kept if the round failed."""
    return folder / f"round-{round_index}.log"


def _judge(
    returncode: int, timed_out: bool, time_limit_s: float | None
) -> tuple[Status, Failure] | None:
    """``None`` if the worker succeeded, else a status and what went wrong."""
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
    except ValueError:  # a real-time signal without a name
        return f"signal {number}"
