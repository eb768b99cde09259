"""Randomises the addresses of a forked process, as far as that is still possible.

Where a process's memory lies depends on its address layout and on its earlier allocations, and
caches and pages make it a little faster or slower for all its life. Each spawned process has its
own layout. Processes forked from one server start alike, so the spread between rounds would be too
small.
"""

from __future__ import annotations

import mmap
import secrets

_MOST_PAGES = 4096
_MOST_HEAP_BYTES = 2**20
_ALIGNMENT = 16  # malloc's
#: Held until the process ends. Nothing is written there, so it takes addresses but no memory.
_HELD: list[object] = []


def shift_addresses() -> None:
    """Reserve a random number of addresses, which shifts later allocations in heap and mappings."""
    _HELD.append(mmap.mmap(-1, mmap.PAGESIZE * (1 + secrets.randbelow(_MOST_PAGES))))
    _HELD.append(bytearray(_ALIGNMENT * (1 + secrets.randbelow(_MOST_HEAP_BYTES // _ALIGNMENT))))
