"""Check the size of a zip's list of contents before reading it, because each entry takes memory."""

from __future__ import annotations

from typing import BinaryIO

from sd_bench.errors import WeightsError

#: In bytes. Real files have about 2,000 entries of 70 bytes each.
_LARGEST_DIRECTORY = 4_000_000
_END, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_LARGE_END, _LARGE_END_BYTES = b"PK\x06\x06", 56


def check_directory(stream: BinaryIO) -> None:
    """Raise WeightsError if the list is larger than any real file's, or if there is none."""
    size = stream.seek(0, 2)
    begin = max(0, size - _END_BYTES - _LONGEST_COMMENT - _LOCATOR_BYTES)
    stream.seek(begin)
    tail = stream.read(size - begin)
    at = tail.rfind(_END)
    if at < 0:
        raise WeightsError("is cut off or damaged: a zip without its end")
    num_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    locator = tail[max(0, at - _LOCATOR_BYTES) : at]
    if locator.startswith(_LOCATOR):
        stream.seek(min(int.from_bytes(locator[8:16], "little"), size))
        end = stream.read(_LARGE_END_BYTES)
        if end.startswith(_LARGE_END):
            num_bytes = int.from_bytes(end[40:48], "little")
    if num_bytes > _LARGEST_DIRECTORY:
        raise WeightsError(f"refused: its list of contents has {num_bytes} bytes")
