"""Checks that a round's record file is what the worker measured in that round."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from sd_bench.records import Record, RecordError, read_record
from sd_bench.records.files import LARGEST_RECORD

#: Statuses that a worker may report; only the launcher sets the others.
_WORKERS_STATUSES = ("ok", "unsupported", "oom", "failed", "invalid")
#: Fields that the launcher has set, and that the record must repeat.
_GIVEN = ("cell_hash", "choices", "round", "position", "sweep", "job", "config")
#: How far the times of two processes may differ.
_CLOCKS_AGREE_S = 0.1


class NotTheRecordError(Exception):
    """The file is not the round's record; the message says why."""


#: Identifies a file until it is replaced; None if there is none.
Stamp = tuple[int, int] | None


def stamp_of(path: Path) -> Stamp:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def record_left(
    path: Path, before: Stamp, asked: Record, fingerprints: Sequence[str], lived_s: float
) -> Record:
    """The record at ``path``, if it is one of the round for which ``asked`` is the blank record.

    ``before`` is the stamp of ``path`` when the round started, ``fingerprints`` are the allowed
    environments (all if empty), ``lived_s`` is how long the process lived. Raises
    NotTheRecordError.
    """
    if (stamp := stamp_of(path)) is None or stamp == before:
        raise NotTheRecordError("it wrote no record")
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise NotTheRecordError("its record is not a file")
    if found.st_size > LARGEST_RECORD:
        raise NotTheRecordError(f"its record has {found.st_size} bytes")
    try:
        record = read_record(path)
    except RecordError as error:
        raise NotTheRecordError(f"it wrote no readable record: {error}") from None
    for fault in _faults(record, asked, fingerprints, lived_s):
        raise NotTheRecordError(f"its record {fault}")
    return record


def _faults(
    record: Record, asked: Record, fingerprints: Sequence[str], lived_s: float
) -> Iterator[str]:
    for name in _GIVEN:
        if getattr(record, name) != getattr(asked, name):
            yield f"is of another round: its {name} is not the requested one"
    if record.status not in _WORKERS_STATUSES:
        yield f"has the status {record.status}, which a worker never reports"
    if (record.reason is None) != (record.status == "ok"):
        yield f"has the status {record.status} for the reason {record.reason!r}"
    fingerprint = record.environment.get("fingerprint")
    if record.environment and not isinstance(fingerprint, str):
        yield "has an environment without a fingerprint"
    if fingerprints and record.environment and fingerprint not in fingerprints:
        yield "is from an environment that cannot be mixed with the others"
    if record.status == "ok":
        yield from _faults_of_a_result(record, lived_s)


def _faults_of_a_result(record: Record, lived_s: float) -> Iterator[str]:
    times, num_timed = record.times, record.config["protocol"]["n_iter"]
    if times is None or record.output is None or record.memory is None or not record.environment:
        yield "is ok, but lacks times, memory, output or environment"
        return
    proof = record.kernel_proof
    if proof is None or not (proof.proven or proof.unprovable):
        yield "is ok without a kernel proof"
    if len(times.iterations) != num_timed:
        yield f"is ok with {len(times.iterations)} of {num_timed} timed iterations"
    if any(iteration.total_s <= 0 for iteration in times.iterations):
        yield "is ok with a timed iteration that took no time"
    if max(times.runtime_s, times.worker_s or 0.0) > lived_s + _CLOCKS_AGREE_S:
        yield f"holds more time than the {lived_s:.1f} s that its process lived"
