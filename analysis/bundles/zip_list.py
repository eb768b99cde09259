"""Checks the size of a zip's list of contents before reading it: each entry takes memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

#: 100 bytes, which is more than a name and its numbers take, for each entry a bundle may have.
_LARGEST_LIST = 100 * 200_000
_END, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_LARGE_END, _LARGE_END_BYTES = b"PK\x06\x06", 56
#: The size in the short end record when only the ZIP64 record holds it.
_SEE_LARGE_END = 2**32 - 1


def check_list(stream: BinaryIO) -> str | None:
    """Why the list of contents is not read, worded to follow the file's name; else ``None``."""
    size = stream.seek(0, 2)
    begin = max(0, size - _END_BYTES - _LONGEST_COMMENT)
    stream.seek(begin)
    tail = stream.read(size - begin)
    at = tail.rfind(_END)
    if at < 0:
        return "is not a bundle of sd_bench (not a whole zip file)"
    short = int.from_bytes(tail[at + 12 : at + 16], "little")
    large = list(_sizes_in_large_ends(stream, begin + at))
    num_bytes = max([*large, *([] if large and short == _SEE_LARGE_END else [short])])
    if num_bytes > _LARGEST_LIST:
        return f"refused: its list of contents has {num_bytes:,} bytes"
    return None


def _sizes_in_large_ends(stream: BinaryIO, end: int) -> Iterator[int]:
    """The sizes in ZIP64 end records: where the locator before ``end`` points, and before it."""
    begin = max(0, end - _LOCATOR_BYTES)
    stream.seek(begin)
    locator = stream.read(_LOCATOR_BYTES)
    if not locator.startswith(_LOCATOR):
        return
    for place in (int.from_bytes(locator[8:16], "little"), max(0, begin - _LARGE_END_BYTES)):
        stream.seek(min(place, end))
        found = stream.read(_LARGE_END_BYTES)
        if found.startswith(_LARGE_END):
            yield int.from_bytes(found[40:48], "little")
