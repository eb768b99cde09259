"""Run one round in a fresh process and bring back its record, whatever happens to the process."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sd_bench.config import to_dict
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.worker import EXIT_CANNOT_WRITE, Request, blank_record
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR
from sd_bench.records import Failure, Record, read_record, record_path, write_record

_TAIL_BYTES = 4000
_FILLED = "filled"


def run_round(
    planned: PlannedCell, round_index: int, position: int, report: Callable[[str], None]
) -> Record:
    """Measure one round. ``report`` is told each phase as the worker enters it.

    Raises OSError if the sweep's folder cannot be written.
    """
    cell = planned.cell
    blank = blank_record(cell.config, cell.sweep, str(cell.index), round_index, position)
    path = record_path(cell.folder, round_index)
    if planned.reason is not None:
        record = replace(blank, status="unsupported", reason=planned.reason)
        write_record(path, record)
        return record
    log = cell.folder / f"round-{round_index}.log"
    outcome = _run_worker(planned, blank, log, report)
    if outcome is not None and outcome[1].exit_code == EXIT_CANNOT_WRITE:
        raise OSError(errno.ENOSPC, "the disk is full or read-only", str(cell.folder))
    if outcome is None and path.exists():
        record = read_record(path)
        if record.times is not None and cell.config.compile.mode != "off":
            (compile_cache_dir(cell.folder) / _FILLED).touch()
        if record.status in ("ok", "unsupported"):
            log.unlink(missing_ok=True)
        return record
    status, failure = outcome or ("crashed", Failure(type="NoRecord", message="left no record"))
    failure = replace(failure, detail=_tail(log))
    record = replace(blank, status=status, reason=failure.message, failure=failure)
    write_record(path, record)
    return record


def _run_worker(
    planned: PlannedCell, blank: Record, log: Path, report: Callable[[str], None]
) -> tuple[str, Failure] | None:
    """Run the worker to its end; None if it ended well, else a status and what went wrong."""
    assert planned.interpreter is not None
    cell = planned.cell
    cache = compile_cache_dir(cell.folder) if cell.config.compile.mode != "off" else None
    read_fd, write_fd = os.pipe()
    request = Request(
        config=to_dict(cell.config),
        folder=str(cell.folder),
        sweep=blank.sweep,
        job=blank.job,
        round=blank.round,
        position=blank.position,
        report_fd=write_fd,
        compile_cache=None if cache is None else ("warm" if _is_filled(cache) else "cold"),
    )
    with tempfile.TemporaryDirectory(prefix="sd_bench-") as scratch, log.open("wb") as stream:
        request_file = Path(scratch) / "request.json"
        request_file.write_text(json.dumps(dataclasses.asdict(request)))
        process = subprocess.Popen(
            [planned.interpreter.executable, "-m", "sd_bench.execution.worker", str(request_file)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            pass_fds=(write_fd,),
            env=_environment(cache),
            start_new_session=True,
        )
        os.close(write_fd)
        try:
            timed_out = _follow(process, read_fd, cell.config.protocol.time_limit_s, report)
        finally:
            os.close(read_fd)
            _end(process)
    return _judge(process.returncode, timed_out, cell.config.protocol.time_limit_s)


def _environment(cache: Path | None) -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("HYDRA_FULL_ERROR", None)
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts devices
    if IS_CHECKOUT:  # the worker runs this very code, whatever its interpreter has installed
        paths = [str(PACKAGE_DIR.parent), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if cache is not None:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
        environment["TRITON_CACHE_DIR"] = str(cache / "triton")
    return environment


def compile_cache_dir(folder: Path) -> Path:
    """A cell's own cache of compiled kernels: no cell finds another's there."""
    return folder / ".compile_cache"


def _is_filled(cache: Path) -> bool:
    """Whether a round before has compiled to its end, and not only begun."""
    return (cache / _FILLED).exists()


def _follow(
    process: subprocess.Popen[bytes],
    read_fd: int,
    time_limit_s: float | None,
    report: Callable[[str], None],
) -> bool:
    """Pass on what the worker says until it ends; whether its time limit ran out first."""
    deadline = None if time_limit_s is None else time.monotonic() + time_limit_s
    pending = b""
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return True
        ready, _, _ = select.select([read_fd], [], [], left)
        if not ready:
            continue
        chunk = os.read(read_fd, 65536)
        if not chunk:  # the worker has closed its end: it is over, or about to be
            break
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            report(json.loads(line)["phase"])
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker's whole process group, compile helpers included, and reap it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _judge(
    returncode: int, timed_out: bool, time_limit_s: float | None
) -> tuple[str, Failure] | None:
    if timed_out:
        message = f"ran longer than protocol.time_limit_s={time_limit_s} seconds"
        return "timeout", Failure(type="Timeout", message=message)
    if returncode == 0:
        return None
    if returncode < 0:
        name = signal.Signals(-returncode).name
        message = f"the worker was ended by {name}"
        return "crashed", Failure(type="Signal", message=message, signal=name)
    message = f"the worker ended with exit code {returncode}"
    return "crashed", Failure(type="Exit", message=message, exit_code=returncode)


def _tail(log: Path) -> str:
    try:
        return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return ""
