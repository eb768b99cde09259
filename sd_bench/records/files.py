"""Where records are stored, and how they are written and read: one JSON file per record."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from sd_bench.errors import NewerRecordError, RecordError
from sd_bench.records.schema import SCHEMA_VERSION, Record
from sd_bench.records.translation import translated
from sd_bench.regular_files import UnusableFileError, parse_json, read_text, reason_of

#: The name pattern of record files; nothing else in a sweep's folder is read as a record.
RECORD_GLOB = "round-*.json"
#: In bytes; a larger file is not read. A hundred thousand steps take 2 MB.
LARGEST_RECORD = 2**26


def find_records(folder: Path) -> Iterator[Path]:
    """All record files below ``folder``, in a stable order."""
    yield from sorted(folder.rglob(RECORD_GLOB))


def record_path(job_dir: Path, round_index: int) -> Path:
    """The path of a round's record inside its cell's folder ``job_dir``."""
    return job_dir / f"round-{round_index}.json"


def round_number(path: Path) -> int | None:
    """The number of the round whose record has this name; ``None`` if it is not a record's name."""
    found = re.fullmatch(r"round-(\d{1,9})\.json", path.name)
    return None if found is None else int(found[1])


def write_record(path: Path, record: Record) -> None:
    """Write ``record`` atomically: after a crash the file is either missing or complete.

    Raises OSError if the disk is full or the folder cannot be written.
    """
    text = json.dumps(record, default=structs.asdict, indent=1, allow_nan=False)
    write_atomically(path, text + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Replace the content of ``path`` with ``text`` in one step, synced to disk. Raises OSError."""
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
    """Read and check one record of any schema version up to the newest.

    Raises RecordError, naming the file, if it is incomplete, not a record, or of a newer schema.
    """
    try:
        text = read_text(path, LARGEST_RECORD)
    except UnusableFileError as error:
        raise RecordError(f"{path}: {reason_of(error)}") from None
    except OSError as error:
        raise RecordError(f"{path}: not readable ({reason_of(error)})") from error
    try:
        return _decoded(text)
    except NewerRecordError as error:
        raise NewerRecordError(f"{path}: {error}") from None
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from None


class _Head(Struct):
    schema_version: Any = None


def _decoded(text: str) -> Record:
    """The record in ``text``. Raises NewerRecordError, or ValueError if it is not a record."""
    try:
        newest: Record = parse_json(text, Record)
        return newest
    except msgspec.ValidationError as error:
        why_not_newest = error
    version = parse_json(text, _Head).schema_version if text.lstrip()[:1] == "{" else None
    if version is None:
        raise ValueError("not a record of sd_bench (no schema_version)")
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        is_newer = type(version) is int and version > SCHEMA_VERSION
        raise (NewerRecordError if is_newer else ValueError)(
            f"schema version {version!r}, this sd_bench reads 1 to {SCHEMA_VERSION}: update it"
        )
    if version == SCHEMA_VERSION:
        raise why_not_newest
    return msgspec.convert(translated(parse_json(text)), Record)
