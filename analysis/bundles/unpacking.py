"""Unpacks a bundle from an untrusted source into a temporary folder."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import BinaryIO

import msgspec

from analysis.bundles.layout import (
    ALWAYS_ALLOWED,
    ENTRY,
    LARGEST_BUNDLE,
    LARGEST_ENTRY,
    LARGEST_MANIFEST,
    MANIFEST,
    MOST_ENTRIES,
    MOST_GROWTH,
    MOST_IN_MANIFEST,
    README,
    VERSION,
    Manifest,
)
from analysis.bundles.zip_list import check_list
from analysis.errors import AnalysisError
from sd_bench.records import open_regular, reason_of
from sd_bench.records.files import LARGEST_RECORD
from sd_bench.records.sweep_file import mark_as_packed
from sd_bench.verdicts.axes import to_one_line

#: What Python's zip library raises for a broken file.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError,
    OverflowError,
)  # fmt: skip


class _RefusedError(Exception):
    """Why a bundle is not read; the message continues a sentence that begins with its name."""


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


def unpack(bundle: Path) -> Path:
    """Unpack a bundle into a temporary folder, which is removed when the program ends.

    The same bundle gives the same folder. Raises AnalysisError, with one line, for a file that is
    not a bundle, or that contains anything a bundle may not contain.
    """
    try:
        at = bundle.resolve().stat()
        return _unpack(bundle, at.st_mtime_ns, at.st_size)
    except OSError as error:
        raise AnalysisError(f"{bundle}: {reason_of(error)}") from None


@cache
def _unpack(bundle: Path, _changed: int, _size: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sd_bench-bundle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        with open_regular(bundle, LARGEST_BUNDLE) as stream:
            _unpack_into(stream, folder)
    except _RefusedError as error:
        raise AnalysisError(f"{bundle}: {to_one_line(error)}") from None
    except _BROKEN as error:
        reason = f"is not a bundle, or is damaged ({to_one_line(error)})"
        raise AnalysisError(f"{bundle}: {reason}; pack or download it again") from None
    return folder


def _unpack_into(stream: BinaryIO, folder: Path) -> None:
    size = stream.seek(0, 2)
    if why := check_list(stream):
        raise _RefusedError(why)
    with zipfile.ZipFile(stream) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        _check(archive.infolist(), size)
        manifest = _manifest(archive, entries.pop(MANIFEST, None))
        entries.pop(README, None)
        if entries.keys() != manifest.files.keys():
            raise _RefusedError("refused: its manifest lists other files than it holds")
        for name, entry in entries.items():
            content = _read(archive, entry, _limit(name))
            if hashlib.sha256(content).hexdigest() != manifest.files[name]:
                raise _RefusedError(f"is damaged at {name}; pack or download it again")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for sweep in folder.iterdir():
        mark_as_packed(sweep)


def _check(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse anything in the zip's list that a bundle may not contain, before unpacking."""
    if len(entries) > MOST_ENTRIES:
        raise _RefusedError(
            f"refused: holds {len(entries):,} files, {MOST_ENTRIES:,} at most are read"
        )
    if len({entry.filename for entry in entries}) < len(entries):
        raise _RefusedError("refused: holds two files of one name")
    for entry in entries:
        name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _RefusedError(f"refused: {name} is not a file but a link or the like")
        if name not in (MANIFEST, README) and not ENTRY.fullmatch(name):
            raise _RefusedError(f"refused: no bundle of sd_bench holds a {name}")
        if entry.file_size > _limit(name):
            raise _RefusedError(
                f"refused: {name} has {entry.file_size} bytes, where at most {_limit(name)} are "
                "expected"
            )
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > min(LARGEST_BUNDLE, MOST_GROWTH * size + ALWAYS_ALLOWED):
        raise _RefusedError(f"refused: would take {unpacked:,} bytes once unpacked, from {size:,}")
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise _RefusedError(f"refused: {entry.filename} overlaps another file in it")
        end = entry.header_offset + entry.compress_size


def _manifest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None) -> Manifest:
    if entry is None:
        raise _RefusedError(f"is not a bundle of sd_bench (no {MANIFEST})")
    content = _read(archive, entry, LARGEST_MANIFEST)
    if sum(map(content.count, (b":", b",", b"["))) > 2 * MOST_IN_MANIFEST:
        raise _RefusedError(f"refused: its {MANIFEST} holds more than any bundle's")
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.version > VERSION and head.format == "sd_bench bundle":
            raise _RefusedError(
                f"was packed by a newer sd_bench (version {head.version}): update it"
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _RefusedError(f"is not a bundle of sd_bench ({MANIFEST}: {error})") from None


def _limit(name: str) -> int:
    if name == MANIFEST:
        return LARGEST_MANIFEST
    return LARGEST_RECORD if name.endswith(".json") else LARGEST_ENTRY


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, at_most: int) -> bytes:
    """The content of an entry; reading it to its end also checks its checksum."""
    with archive.open(entry) as stream:
        content = stream.read(at_most + 1)
    if len(content) != entry.file_size:
        raise _RefusedError(f"is damaged at {entry.filename}; pack or download it again")
    return content
