"""The one way in for files that others wrote: regular, of bounded size, text in UTF-8.

A name may lead to a pipe that nobody writes to, to a device without an end, or to a file that is
larger than the memory. Whatever is read here is looked at before: it is a regular file and holds
no more than whoever asks can use.
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

#: Lists, tables and entries that a JSON file may hold: each takes up to 240 bytes of memory.
_MOST_JSON_VALUES = 500_000

#: Bytes of a JSON text that are shown before the place where it is none.
_BEFORE_ERROR = 40

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
#: How text begins that is not in UTF-8 but says what it is.
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class UnusableFileError(OSError):
    """A file that is there and cannot be used; ``strerror`` says why, without naming it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def reason_of(error: OSError) -> str:
    """Why a file could not be read, in words that follow its name."""
    if isinstance(error, UnusableFileError):
        return str(error.strerror)
    return (error.strerror or str(error)).lower()


def what_else(path: Path) -> str | None:
    """What a name leads to that is neither a regular file nor nothing, in words."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "something else")


def open_regular(path: Path, at_most: int, buffering: int = -1) -> BinaryIO:
    """Open a regular file of at most that many bytes for reading; it never blocks.

    Raises UnusableFileError for anything else that the name leads to, and OSError.
    """
    _check_kind(path, _stat(path).st_mode)  # before it is opened: opening a device may act on it
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
    """Open a regular file, which is made if need be, for writing at its end.

    Raises UnusableFileError for anything else that the name leads to, and OSError.
    """
    with suppress(FileNotFoundError):  # it is made below
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
    """All of a regular file. Raises UnusableFileError, also if it grows meanwhile, and OSError."""
    with open_regular(path, at_most) as stream:
        size = os.fstat(stream.fileno()).st_size  # to ask for ``at_most`` costs so much memory
        content = stream.read(size + 1)
        if len(content) > size:
            content += stream.read(at_most + 1 - len(content))
    if len(content) > at_most:
        raise UnusableFileError(path, f"has more than the {at_most} bytes that are expected")
    return content


def read_text(path: Path, at_most: int) -> str:
    """A text in UTF-8, less the mark that editors put before it.

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
    """What a JSON file holds, as ``kind``. Raises UnusableFileError and OSError."""
    try:
        return parse_json(read_text(path, at_most), kind)
    except ValueError as error:
        raise UnusableFileError(path, str(error)) from None


def read_foreign_json(path: Path, at_most: int) -> Any:
    """What a JSON file of another program holds, with the NaN and Infinity that Python's own module
    writes, which are not JSON. Raises UnusableFileError and OSError."""
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
    """What a JSON text holds, as ``kind``: a type that msgspec decodes.

    Raises ValueError, with one line, if it is none or too much, and of that msgspec.ValidationError
    if it is of another type.
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
    """What is wrong with ``text``, with the text before that place, which names the field."""
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
