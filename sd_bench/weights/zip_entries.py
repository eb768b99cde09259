"""The entries of a file of ``torch.save``: where each lies, and the sum that the zip keeps of it.

The sum is a CRC-32 of the entry's bytes. That of the pickle is held against it as it is read;
those of the numbers while the file is read for its digest, which takes every byte anyway
(``checkpoint.digest``): a round that fills its networks does not pay for it again.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from sd_bench.errors import WeightsError, printable
from sd_bench.weights.zip_end import check_directory

_LOCAL_HEADER, _LOCAL_HEADER_BYTES = b"PK\x03\x04", 30


def begins_zip(begin: bytes) -> bool:
    """Whether a file that begins so is a zip that holds something."""
    return begin.startswith(_LOCAL_HEADER)


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """``size`` bytes from byte ``begin`` of the file on."""

    name: str
    begin: int
    size: int


@dataclass(slots=True)
class ZipEntries:
    """The zip's own list of what is in it."""

    stream: BinaryIO
    listed: list[zipfile.ZipInfo]

    @property
    def by_name(self) -> dict[str, zipfile.ZipInfo]:
        """Every entry by its name."""
        return {entry.filename: entry for entry in self.listed}

    @property
    def has_sums(self) -> bool:
        """False for a file written under ``torch.serialization.set_crc32_options(False)``."""
        return any(entry.CRC for entry in self.listed)

    def locate(self, entry: zipfile.ZipInfo) -> ZipEntry:
        """Where an entry's bytes lie: after its own header, which contains its length.

        Raises WeightsError unless they are all there, as they are.
        """
        named = printable(entry.filename)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise WeightsError(f"refused: {named} is compressed, which torch.save never does")
        self.stream.seek(entry.header_offset)
        header = self.stream.read(_LOCAL_HEADER_BYTES)
        if len(header) < _LOCAL_HEADER_BYTES or not begins_zip(header):
            raise WeightsError(f"is damaged at {named}")
        name, extra = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        begin = entry.header_offset + _LOCAL_HEADER_BYTES + name + extra
        if begin + entry.file_size > self.stream.seek(0, 2):
            raise WeightsError(f"is cut off or damaged at {named}")
        return ZipEntry(named, begin, entry.file_size)

    def read(self, entry: zipfile.ZipInfo, at_most: int) -> bytes:
        """What an entry holds; its size is looked at before.

        Raises WeightsError if it is larger than ``at_most`` bytes or has another sum.
        """
        if entry.file_size > at_most:
            raise WeightsError(
                f"refused: {printable(entry.filename)} has {entry.file_size} bytes, where at most "
                f"{at_most} are expected"
            )
        place = self.locate(entry)
        self.stream.seek(place.begin)
        content = self.stream.read(place.size)
        if self.has_sums and zlib.crc32(content) != entry.CRC:
            raise WeightsError(_other_sum(place))
        return content


@contextmanager
def opened_zip(stream: BinaryIO) -> Iterator[ZipEntries]:
    """The zip's entries; whatever the zip library says of a broken one is a WeightsError."""
    try:
        check_directory(stream)
        with zipfile.ZipFile(stream) as archive:
            yield ZipEntries(stream, archive.infolist())
    except zipfile.BadZipFile as error:
        raise WeightsError(f"is cut off or damaged ({printable(error)})") from None
    except WeightsError:
        raise
    except (NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError) as error:
        reason = printable(error)  # encrypted, an unknown method, places that cannot be
        raise WeightsError(f"is not a file of torch.save ({reason})") from None


class SumCheck:
    """Holds the entries against their sums while somebody reads the whole file from its begin."""

    def __init__(self, stream: BinaryIO) -> None:
        """Reads where the entries lie. Raises WeightsError if no zip is like that."""
        self._at = self._next = self._sum = 0
        self._entries: list[tuple[ZipEntry, int]] = []
        with opened_zip(stream) as entries:
            if entries.has_sums:
                located = [(entries.locate(entry), entry.CRC) for entry in entries.listed]
                self._entries = sorted(located, key=lambda each: (each[0].begin, each[0].size))
        end = 0
        for entry, _ in self._entries:
            if entry.begin < end:
                raise WeightsError(f"is damaged: {entry.name} overlaps another entry")
            end = entry.begin + entry.size

    def update(self, block: bytes) -> None:
        """Take the bytes that follow. Raises WeightsError where an entry ends with another sum."""
        view, end = memoryview(block), self._at + len(block)
        while self._next < len(self._entries):
            entry, wanted = self._entries[self._next]
            first, behind = max(entry.begin, self._at), min(entry.begin + entry.size, end)
            if first < behind:
                self._sum = zlib.crc32(view[first - self._at : behind - self._at], self._sum)
            if entry.begin + entry.size > end:
                break
            if self._sum != wanted:
                raise WeightsError(_other_sum(entry))
            self._next, self._sum = self._next + 1, 0
        self._at = end

    def finish(self) -> None:
        """Raises WeightsError if the file has ended before its last entry."""
        if self._next < len(self._entries):
            raise WeightsError(f"is cut off at {self._entries[self._next][0].name}")


def _other_sum(entry: ZipEntry) -> str:
    return (
        f"is damaged: the bytes of {entry.name} are not those that were saved (another CRC-32); "
        "copy or download it again"
    )
