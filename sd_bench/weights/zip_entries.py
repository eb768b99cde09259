"""The entries of a ``torch.save`` file: where each is, and its checksum.

The checksum is a CRC-32 of the entry's bytes. The pickle's is verified when it is read. Those of
the numbers are verified while the file is read for its digest (``checkpoint.digest``), which needs
every byte anyway, so a round that fills its networks does not spend time on them again.
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
    """Whether ``begin`` looks like a zip that is not empty."""
    return begin.startswith(_LOCAL_HEADER)


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """An entry's ``size`` bytes, from byte ``begin`` of the file."""

    name: str
    begin: int
    size: int


@dataclass(slots=True)
class ZipEntries:
    """The entries that the zip lists."""

    stream: BinaryIO
    listed: list[zipfile.ZipInfo]

    @property
    def by_name(self) -> dict[str, zipfile.ZipInfo]:
        """Every entry by its name."""
        return {entry.filename: entry for entry in self.listed}

    @property
    def has_sums(self) -> bool:
        """Whether there are checksums; not if saved with ``set_crc32_options(False)`` of torch."""
        return any(entry.CRC for entry in self.listed)

    def locate(self, entry: zipfile.ZipInfo) -> ZipEntry:
        """Where an entry's bytes are: after its header, whose length varies.

        Raises WeightsError if they are compressed or not all in the file.
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
        """The bytes of an entry.

        Raises WeightsError if it is larger than ``at_most`` bytes, which is checked before reading,
        or if its checksum differs.
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
    """The zip's entries. Raises WeightsError in place of the zip library's errors."""
    try:
        check_directory(stream)
        with zipfile.ZipFile(stream) as archive:
            yield ZipEntries(stream, archive.infolist())
    except zipfile.BadZipFile as error:
        raise WeightsError(f"is cut off or damaged ({printable(error)})") from None
    except WeightsError:
        raise
    except (NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError) as error:
        reason = printable(error)  # encrypted, an unknown method, impossible offsets
        raise WeightsError(f"is not a file of torch.save ({reason})") from None


class SumCheck:
    """Verifies the entries' checksums while the caller reads the whole file from its start."""

    def __init__(self, stream: BinaryIO) -> None:
        """Find the entries. Raises WeightsError if the zip is damaged."""
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
        """Process the next bytes. Raises WeightsError if an entry's checksum differs."""
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
        """Raise WeightsError if the file ended before its last entry."""
        if self._next < len(self._entries):
            raise WeightsError(f"is cut off at {self._entries[self._next][0].name}")


def _other_sum(entry: ZipEntry) -> str:
    return (
        f"is damaged: the bytes of {entry.name} are not those that were saved (CRC-32 differs); "
        "copy or download it again"
    )
