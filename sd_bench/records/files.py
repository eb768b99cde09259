"""Where records lie, and how they are written to and read from disk: one JSON file a record."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from sd_bench.errors import NewerRecordError, RecordError
from sd_bench.records.decoder import decoder
from sd_bench.records.schema import SCHEMA_VERSION, STATUSES, Record
from sd_bench.records.translation import translated
from sd_bench.regular_files import UnusableFileError, read_json, reason_of

#: Records are the files of this name pattern; everything else in a sweep's folder is not read.
RECORD_GLOB = "round-*.json"
#: No round leaves more: a hundred thousand steps are 2 MB.
LARGEST_RECORD = 2**26


def find_records(folder: Path) -> Iterator[Path]:
    """All record files below ``folder``, in a stable order."""
    yield from sorted(folder.rglob(RECORD_GLOB))


def record_path(job_dir: Path, round_index: int) -> Path:
    """Where the record of a round lives inside its cell's folder."""
    return job_dir / f"round-{round_index}.json"


def round_number(path: Path) -> int | None:
    """The round whose record has this name; ``None`` if that is no record's name."""
    found = re.fullmatch(r"round-(\d{1,9})\.json", path.name)
    return None if found is None else int(found[1])


def write_record(path: Path, record: Record) -> None:
    """Write atomically: after a crash at any moment the file is absent or whole.

    Raises OSError if the disk is full or the folder cannot be written.
    """
    text = json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False)
    write_atomically(path, text + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step, synced to disk. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_record(path: Path) -> Record:
    """Read and check one record.

    Raises RecordError, naming the file, if it is torn, foreign or of a newer schema.
    """
    try:
        data = read_json(path, LARGEST_RECORD)
    except UnusableFileError as error:
        raise RecordError(f"{path}: {reason_of(error)}") from None
    except OSError as error:
        raise RecordError(f"{path}: not readable ({reason_of(error)})") from error
    if not isinstance(data, dict) or "schema_version" not in data:
        raise RecordError(f"{path}: not a record of sd_bench (no schema_version)")
    version = data["schema_version"]
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        is_newer = type(version) is int and version > SCHEMA_VERSION
        raise (NewerRecordError if is_newer else RecordError)(
            f"{path}: schema version {version!r}, this sd_bench reads 1 to {SCHEMA_VERSION}: "
            "update it"
        )
    try:
        record: Record = decoder(Record)(translated(data))
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"{path}: {error}") from error
    if record.status not in STATUSES:
        raise RecordError(f"{path}: unknown status {record.status!r}")
    return record
