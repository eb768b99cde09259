"""Copies the pages of memory that a forked process shares with its parent until one of them writes.

The first to write pays for the copy, and all threads of the process for the interrupt that makes it
known to them. During a measurement a spawned process would not need that time, so all pages are
copied at once, before there is a second thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_POPULATE_WRITE = 23  # madvise(2), since Linux 5.14
_PRESENT_OR_SWAPPED = np.uint64(0b11 << 62)  # Documentation/admin-guide/mm/pagemap.rst
#: Ranges at most this many pages apart are copied together.
_GAP = 8


def copy_shared_pages() -> None:
    """Copy every shared page that this process may write. Raises OSError if that fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for begin, end in _written_ranges():
        if libc.madvise(begin, end - begin, _POPULATE_WRITE) != 0:
            number = ctypes.get_errno()
            if number != errno.ENOMEM:  # unmapped since, or memory is short: copied on writing
                raise OSError(number, os.strerror(number))


def _written_ranges() -> Iterator[tuple[int, int]]:
    """The start and end addresses of private memory that has been written to."""
    size = os.sysconf("SC_PAGE_SIZE")
    maps = Path("/proc/self/maps").read_text().splitlines()
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for line in maps:
            span, permissions, *_ = line.split()
            begin, end = (int(number, 16) for number in span.split("-"))
            if permissions != "rw-p":
                continue
            pagemap.seek(8 * begin // size)
            entries = np.frombuffer(pagemap.read(8 * (end - begin) // size), dtype=np.uint64)
            (pages,) = np.nonzero(entries & _PRESENT_OR_SWAPPED)
            if len(pages):
                (breaks,) = np.nonzero(np.diff(pages) > _GAP)
                firsts = pages[np.concatenate(([0], breaks + 1))]
                lasts = pages[np.concatenate((breaks, [len(pages) - 1]))]
                for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
                    yield begin + first * size, begin + (last + 1) * size
