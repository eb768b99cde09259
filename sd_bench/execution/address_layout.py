"""Random addresses for a forked process, as far as it can still have them.

What a process allocates lies where its layout and its past put it, and how caches and pages meet
that makes it a little faster or slower for all its life. Spawned processes get a layout each. Those
that are forked from one server begin alike, so that the spread between rounds would be too small.
"""

from __future__ import annotations

import mmap
import secrets

_MOST_PAGES = 4096
_MOST_HEAP_BYTES = 2**20
_ALIGNMENT = 16  # of what malloc gives
#: Held until the process ends: nothing is ever written there, so it takes addresses, no memory.
_HELD: list[object] = []


def shift_addresses() -> None:
    """Take addresses at random, so that what comes later lies elsewhere in heap and mappings."""
    _HELD.append(mmap.mmap(-1, mmap.PAGESIZE * (1 + secrets.randbelow(_MOST_PAGES))))
    _HELD.append(bytearray(_ALIGNMENT * (1 + secrets.randbelow(_MOST_HEAP_BYTES // _ALIGNMENT))))
