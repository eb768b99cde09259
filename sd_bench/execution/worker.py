"""The worker: one round of one cell in a process that has measured nothing else.

``python -m sd_bench.execution.worker`` reads the request (JSON) from stdin, measures, writes the
record and ends; a process forked by ``fork_server`` does the same. It reports to the launcher
through a pipe, in lines of JSON.
"""

from __future__ import annotations

import time

_STARTED = time.perf_counter()

import ctypes  # noqa: E402
import errno  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from datetime import datetime, timezone  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any, NoReturn  # noqa: E402

import msgspec  # noqa: E402
from msgspec import structs  # noqa: E402

from sd_bench.capabilities import threads  # noqa: E402
from sd_bench.capabilities.allocators import why_not_had, without_allocator  # noqa: E402
from sd_bench.capabilities.fastest import why_fastest_may_not_be  # noqa: E402
from sd_bench.capabilities.other_makers import torch_type  # noqa: E402
from sd_bench.capabilities.support_rules import compile_switch  # noqa: E402
from sd_bench.config.conversion import from_dict, to_dict  # noqa: E402
from sd_bench.config.scaling import scaled_sentences  # noqa: E402
from sd_bench.config.schema import Config  # noqa: E402
from sd_bench.errors import ConfigError  # noqa: E402
from sd_bench.execution.cell import cell_hash, choices  # noqa: E402
from sd_bench.records import (  # noqa: E402
    SCHEMA_VERSION,
    Failure,
    FirstAttempt,
    KernelProof,
    Looks,
    Memory,
    Record,
    RecordError,
    find_records,
    read_record,
    record_path,
    write_record,
)

if TYPE_CHECKING:
    import torch

    from sd_bench.measurement.round import Measured

#: The exit code if the sweep's folder cannot be written (EX_IOERR of sysexits.h).
EXIT_CANNOT_WRITE = 74
#: The exit code if nothing was measured because the environment is not one of the requested ones.
EXIT_OTHER_ENVIRONMENT = 78
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
#: Seconds that the launcher gets to draw a new phase before it starts.
_DRAWING_S = 0.005
_PR_SET_PDEATHSIG = 1
#: Parts of PyTorch's messages if memory ran out, on CUDA and on a CPU.
_OOM_WORDS = ("out of memory", "can't allocate memory", "alloc_failed", "allocation_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The launcher's request to a worker; paths are absolute.

    ``fingerprints`` are those of the environments that the round may be measured in (any if empty).
    ``warnings``, ``looks`` and ``first_attempt`` go into the record, ``worker`` into its
    environment: the kind of this process, and why, if it is not the one that was asked for.
    ``replaced`` are the launcher's variables that the setting of threads has replaced.
    """

    config: dict[str, Any]
    folder: str
    sweep: str
    job: str
    round: int
    position: int
    profile: bool
    report_fd: int
    fingerprints: list[str]
    warnings: list[str]
    looks: Looks | None
    first_attempt: FirstAttempt | None
    compile_cache: str | None
    worker: dict[str, str]
    replaced: dict[str, str]


class _OtherEnvironmentError(Exception):
    pass


def run(began: float, report_fd: int | None = None) -> NoReturn:
    """Measure the round that stdin asks for, and end this process with the exit code.

    ``began`` is when its life began, by ``time.perf_counter``; ``report_fd`` overrides the
    request's.
    """
    exit_code = 1
    try:
        with open(0, "rb", closefd=False) as stream:
            request = msgspec.json.decode(stream.read(), type=Request)
        if report_fd is not None:
            request = replace(request, report_fd=report_fd)
        exit_code = main(request, began)
    except SystemExit as error:
        exit_code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # the launcher writes a record of it
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)  # all is written, and a normal exit takes a second


def main(request: Request, began: float) -> int:
    """Measure one round, write its record whatever happens, and return the exit code."""
    report = _Reporter(request.report_fd)
    config = from_dict(request.config)
    record = blank_record(config, request.sweep, request.job, request.round, request.position)
    record = structs.replace(
        record,
        warnings=request.warnings,
        looks=request.looks,
        first_attempt=request.first_attempt,
    )
    path = record_path(Path(request.folder), request.round)
    kept: Record | None = None

    def keep(measured: Record) -> None:
        nonlocal kept
        kept = measured
        write_record(path, kept)
        report.tell({"kept": True})

    try:
        report("import")
        record = _measure(config, request, record, report, keep, began)
    except BrokenPipeError:  # the launcher is gone: the record and the exit code are not needed
        return 1
    except _OtherEnvironmentError:
        return EXIT_OTHER_ENVIRONMENT
    except Exception as error:  # every failure gets a record, unless it cannot be written
        if getattr(error, "errno", None) in _CANNOT_WRITE:
            return EXIT_CANNOT_WRITE
        failed = failed_record(record, error)
        record = failed if kept is None else without_profile(kept, str(failed.reason))
    record = _with_lifetime(record, began)
    try:
        write_record(path, record)
    except OSError:
        return EXIT_CANNOT_WRITE
    return 0


def blank_record(config: Config, sweep: str, job: str, round_index: int, position: int) -> Record:
    """A record with everything that is known before a round has run; its status is "failed"."""
    return Record(
        schema_version=SCHEMA_VERSION,
        status="failed",
        reason="not run",
        cell_hash=cell_hash(config),
        choices=choices(config),
        round=round_index,
        position=position,
        sweep=sweep,
        job=job,
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        config=to_dict(config),
        scaled=scaled_sentences(config),
        environment={},
    )


def without_profile(record: Record, why: str) -> Record:
    """``record`` with a warning that says why no step was profiled."""
    return structs.replace(
        record, warnings=[*record.warnings, f"profile=true: no step profiled: {why}"]
    )


def _with_lifetime(record: Record, began: float) -> Record:
    """``record`` with the seconds that this process has lived, if it has times."""
    if record.times is None:
        return record
    return structs.replace(
        record, times=structs.replace(record.times, worker_s=time.perf_counter() - began)
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether ``error`` means that memory has run out."""
    words = " ".join(str(error).split()).lower()
    return isinstance(error, MemoryError) or any(each in words for each in _OOM_WORDS)


def failed_record(record: Record, error: Exception) -> Record:
    """``record`` with the error, and with the status "oom" or "failed"."""
    message = " ".join(str(error).split()) or type(error).__name__
    return structs.replace(
        record,
        status="oom" if is_out_of_memory(error) else "failed",
        reason=f"{type(error).__name__}: {message}"[:500],
        failure=Failure(
            type=type(error).__name__, message=message, detail=traceback.format_exc()[-8000:]
        ),
    )


def _measure(
    config: Config,
    request: Request,
    record: Record,
    report: _Reporter,
    keep: Callable[[Record], None],
    began: float,
) -> Record:
    """Measure the round. ``keep`` gets the record before a step is profiled, if one is."""
    from sd_bench.capabilities.torch_compat import why_no_kernels
    from sd_bench.implementations.building import find_factory
    from sd_bench.measurement.efficiency import with_efficiency
    from sd_bench.measurement.environment_facts import describe_environment, with_load_at_end
    from sd_bench.measurement.output_files import save_output
    from sd_bench.measurement.round import measure_round
    from sd_bench.measurement.round_warnings import remarks
    from sd_bench.sampling.inputs import cut_prompts, image_prompts, image_seeds

    find_factory(config)
    import_s = time.perf_counter() - began
    device = device_of(config)
    variables = without_allocator(config.allocator, os.environ)
    variables = threads.without_threads(config, variables, request.replaced)
    why = why_no_kernels(device)
    try:
        environment = {**describe_environment(device, variables), "worker": request.worker}
    except (RuntimeError, AssertionError):  # from a PyTorch that cannot even query the device
        if why is None:
            raise
        return structs.replace(record, status="unsupported", reason=why)
    record = structs.replace(record, environment=environment)
    if why is not None:
        return structs.replace(record, status="unsupported", reason=why)
    if request.fingerprints and record.environment["fingerprint"] not in request.fingerprints:
        report.tell({"environment": record.environment})
        raise _OtherEnvironmentError
    _check_device(config, record.environment["device"]["name"])
    why = why_not_had(config.allocator) or threads.why_not_had(config)
    why = why or why_not_computed(config, device)
    if why is not None:
        return structs.replace(record, status="unsupported", reason=why)
    folder, is_first = Path(request.folder), request.round == 0
    prefix = f"round-{request.round}"
    known_proof = proof_of_another_round(folder, record)
    trace_file = folder / f"{prefix}-trace.json.gz" if request.profile else None

    def completed(measured: Measured) -> Record:
        saving = time.perf_counter()
        output = save_output(
            folder,
            prefix,
            measured.images,
            image_prompts(config, 0),
            image_seeds(config, 0),
            config.negative_prompt,
            {"cell_hash": record.cell_hash, **record.choices} if config.images else None,
            measured.stage_sketches,
        )
        done = structs.replace(
            record,
            status="ok",
            reason=None,
            environment=with_load_at_end(record.environment),
            times=structs.replace(measured.times, save_s=time.perf_counter() - saving),
            memory=_memory_of(measured, request.worker),
            kernel_proof=measured.kernel_proof,
            compilation=measured.compilation,
            conversion=measured.conversion,
            telemetry=measured.telemetry,
            energy=measured.energy,
            output=output,
        )
        if is_first:
            done = with_efficiency(done, config, device, folder.parent)
        unknown = why_fastest_may_not_be(config, record.environment["device"]["name"])
        warnings = [*done.warnings, *cut_prompts(config), *remarks(done)]
        warnings += [] if unknown is None else [unknown]
        return _judged(structs.replace(done, warnings=warnings), measured)

    finished: Record | None = None

    def keep_measured(measured: Measured) -> None:
        nonlocal finished
        finished = completed(measured)
        keep(_with_lifetime(finished, began))

    measured = measure_round(
        config,
        device,
        import_s,
        request.compile_cache,
        report,
        trace_file,
        keep_measured,
        known_proof,
    )
    if finished is not None:
        return structs.replace(finished, profile=measured.profile)
    record = completed(measured)
    why = measured.kernel_proof.unprovable
    return without_profile(record, why) if request.profile and why is not None else record


def why_not_computed(config: Config, device: torch.device) -> str | None:
    """Why this PyTorch cannot compute the cell on ``device``, found by trying; or ``None``."""
    from sd_bench.capabilities.torch_compat import why_no_kernels
    from sd_bench.implementations.precision import compute_dtype
    from sd_bench.networks.attention_probe import why_backend_fails
    from sd_bench.networks.onednn import why_no_packed_weights

    if (why := why_no_kernels(device)) is not None:
        return why
    dtype = compute_dtype(config, device)
    why = why_backend_fails(config.attention, config.model_version.unet, device, dtype)
    if why is None and config.optimizations.packed_weights:
        why = why_no_packed_weights(dtype)
    return why


def _memory_of(measured: Measured, worker: dict[str, str]) -> Memory:
    """The memory peaks, with a note on what the peak of a forked process lacks."""
    if worker["kind"] == "spawn":
        return measured.memory
    note = "forked: without library pages that only the import touched"
    return structs.replace(
        measured.memory, notes={"process_peak_bytes": note, **measured.memory.notes}
    )


def proof_of_another_round(folder: Path, record: Record) -> KernelProof | None:
    """The kernel proof of another round in ``folder`` that also holds for the round of ``record``.

    It must be of the same cell in the same environment, which includes the code, and in the same
    kind of process. A proof that was itself taken from another round does not count.
    """
    for path in find_records(folder):
        try:
            other = read_record(path)
        except RecordError:
            continue
        proof = other.kernel_proof
        if (
            path != record_path(folder, record.round)
            and other.status == "ok"
            and proof is not None
            and proof.proven
            and proof.read_from is None
            and all(sign(other) == sign(record) for sign in _PROVEN_ALIKE)
        ):
            return structs.replace(proof, read_from=path.name)
    return None


#: What two rounds must have in common for one's kernel proof to hold for the other.
_PROVEN_ALIKE: tuple[Callable[[Record], object], ...] = (
    lambda record: record.cell_hash,
    lambda record: record.environment.get("fingerprint"),
    lambda record: record.environment.get("worker", {"kind": "spawn"}).get("kind"),
)


def _check_device(config: Config, name: str) -> None:
    """Raise ConfigError if PyTorch's device is not the one that the cell names."""
    patterns = config.gpu.device_names
    if patterns and not any(re.search(pattern, name) for pattern in patterns):
        raise ConfigError(f"gpu={config.gpu.name}: the device that PyTorch uses here is {name!r}")


def _judged(record: Record, measured: Measured) -> Record:
    """``record``, with the status "invalid" if its output or kernel is wrong."""
    from sd_bench.measurement.compilation import why_not_compiled

    assert record.kernel_proof is not None
    if not measured.finite:
        return structs.replace(
            record, status="invalid", reason="latents or image hold NaN or infinity"
        )
    if measured.constant:
        reason = "an image is a single colour (black, if a safety checker or an overflow made it)"
        return structs.replace(record, status="invalid", reason=reason)
    if record.compilation is not None and (why := why_not_compiled(record.compilation)):
        cause = compile_switch(os.environ)
        reason = f"compile={record.choices['compile']}: {why}{f' ({cause})' if cause else ''}"
        return structs.replace(record, status="invalid", reason=reason)
    if not record.kernel_proof.proven and record.kernel_proof.unprovable is None:
        reason = f"kernel proof missed: {record.kernel_proof.detail}"
        return structs.replace(record, status="invalid", reason=reason)
    return record


def device_of(config: Config) -> torch.device:
    """PyTorch's device for a cell; a worker sees only one GPU."""
    import torch

    name = torch_type(config.gpu.kind)
    return torch.device(name, *([0] if name in ("cuda", "xpu") else []))


class _Reporter:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self, phase: str) -> None:
        self.tell({"phase": phase})
        time.sleep(_DRAWING_S)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message. Raises BrokenPipeError if the launcher is gone."""
        os.write(self._fd, (json.dumps(message) + "\n").encode())


def die_with_parent() -> None:
    """Ask Linux to end this process together with its parent, even if that is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent()
    run(_STARTED)
