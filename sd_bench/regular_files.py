"""Safe reading of files that others wrote: regular, of bounded size, text in UTF-8.

A path may be a pipe that nothing writes to, an endless device, or a file larger than memory. Every
function here first checks that it is a regular file, and no larger than the caller allows.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import msgspec

#: The most lists, tables and entries of a JSON file: each takes up to 240 bytes of memory.
_MOST_JSON_VALUES = 500_000

#: Bytes of a JSON text that are shown before the place of an error.
_BEFORE_ERROR = 40

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
#: Byte order marks of text that is not in UTF-8.
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class UnusableFileError(OSError):
    """A file that exists and cannot be used; ``strerror`` is why, without the file's name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def reason_of(error: OSError) -> str:
    """Why a file could not be read, in words that follow the file's name."""
    if isinstance(error, UnusableFileError):
        return str(error.strerror)
    return (error.strerror or str(error)).lower()


def what_else(path: Path) -> str | None:
    """What ``path`` is, in words, if it exists and is not a regular file; else None."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "something else")


def open_regular(path: Path, at_most: int, buffering: int = -1) -> BinaryIO:
    """Open a regular file of at most ``at_most`` bytes for reading; never blocks.

    Raises UnusableFileError for anything but such a file, and OSError.
    """
    _check_kind(path, _stat(path).st_mode)  # before opening: that alone may act on a device
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:
        raise UnusableFileError(path, str(error)) from None
    try:
        found = os.fstat(descriptor)
        _check_kind(path, found.st_mode)
        if found.st_size > at_most:
            raise UnusableFileError(
                path, f"has {found.st_size} bytes, where at most {at_most} are expected"
            )
    except BaseException:
        os.close(descriptor)
        raise
    return open(descriptor, "rb", buffering=buffering)  # noqa: PTH123


def open_to_append(path: Path) -> TextIO:
    """Open a regular file for appending; create it if it does not exist.

    Raises UnusableFileError for anything but a regular file, and OSError.
    """
    with suppress(FileNotFoundError):  # it is created below
        _check_kind(path, _stat(path).st_mode)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    descriptor = os.open(path, flags, 0o666)
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return open(descriptor, "a", encoding="utf-8")  # noqa: PTH123


def read_bytes(path: Path, at_most: int) -> bytes:
    """The bytes of a regular file. Raises UnusableFileError, also if it grows, and OSError."""
    with open_regular(path, at_most) as stream:
        size = os.fstat(stream.fileno()).st_size  # read(at_most) would allocate that much memory
        content = stream.read(size + 1)
        if len(content) > size:
            content += stream.read(at_most + 1 - len(content))
    if len(content) > at_most:
        raise UnusableFileError(path, f"has more than the {at_most} bytes that are expected")
    return content


def read_text(path: Path, at_most: int) -> str:
    """The text of a file in UTF-8, without a byte order mark.

    Raises UnusableFileError and OSError.
    """
    content = read_bytes(path, at_most)
    for mark, name in _OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise UnusableFileError(path, f"is not text in UTF-8 but in {name}: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableFileError(path, f"is not text in UTF-8 (byte {error.start})") from None


def read_json(path: Path, at_most: int, kind: Any = Any) -> Any:
    """The value in a JSON file, decoded as ``kind``. Raises UnusableFileError and OSError."""
    try:
        return parse_json(read_text(path, at_most), kind)
    except ValueError as error:
        raise UnusableFileError(path, str(error)) from None


def read_foreign_json(path: Path, at_most: int) -> Any:
    """The value in another program's JSON file, which may have NaN and Infinity.

    Those are not JSON, but Python's ``json`` writes them. Raises UnusableFileError and OSError.
    """
    text = read_text(path, at_most)
    try:
        _refuse_too_many_values(text)
        return json.loads(text)
    except RecursionError:
        raise UnusableFileError(path, "is not readable as JSON (nested too deep)") from None
    except json.JSONDecodeError as error:
        raise UnusableFileError(path, f"is not readable as JSON ({error})") from None
    except ValueError as error:
        raise UnusableFileError(path, str(error)) from None


def _refuse_too_many_values(text: str) -> None:
    if len(text) > _MOST_JSON_VALUES and sum(map(text.count, "[{:")) > _MOST_JSON_VALUES:
        raise ValueError(f"holds more than {_MOST_JSON_VALUES} values")


def parse_json(text: str, kind: Any = Any) -> Any:
    """The value in a JSON text, decoded as ``kind``, a type that msgspec knows.

    Raises ValueError, with one line, if it is not JSON or holds too much, and its subclass
    msgspec.ValidationError if it does not fit ``kind``.
    """
    _refuse_too_many_values(text)
    try:
        return msgspec.json.decode(text, type=kind)
    except RecursionError:
        raise ValueError("is not readable as JSON (nested too deep)") from None
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"does not fit: {error}") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"is not readable as JSON ({_with_place(str(error), text)})") from None


def _with_place(error: str, text: str) -> str:
    """``error`` with the text just before its place, which usually names the field."""
    found = re.search(r"\(byte (\d+)\)$", error)
    if found is None:
        return error
    before = text.encode()[: int(found[1])][-_BEFORE_ERROR:].decode(errors="ignore")
    return f"{error} after {' '.join(before.split())}"


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except ValueError as error:  # a zero byte in the name
        raise UnusableFileError(path, str(error)) from None


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise UnusableFileError(path, f"is {kind}, not a file")
