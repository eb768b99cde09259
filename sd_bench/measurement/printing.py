"""Whether anything was printed during a timed iteration, which takes some of its time."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import structs

from sd_bench.records import Iteration, Record

#: The flag of an iteration whose thread wrote anything.
PRINTED = "printed"


def bytes_written() -> int | None:
    """All bytes that this thread has written so far; None where the system does not count them.

    Other threads are left out, because a driver's threads may write to one another.
    """
    try:
        counters = Path("/proc/thread-self/io").read_text()
    except OSError:
        return None
    match = re.search(r"^wchar: (\d+)", counters, re.M)
    return int(match[1]) if match else None


def flag_printed(iterations: list[Iteration], written: list[bool]) -> list[Iteration]:
    """``iterations``, with the flag added to those for which ``written`` is true."""
    return [
        structs.replace(iteration, flags=[*iteration.flags, PRINTED]) if has else iteration
        for iteration, has in zip(iterations, written, strict=True)
    ]


def has_printed(record: Record) -> bool:
    """Whether any of the round's timed iterations printed something."""
    iterations = record.times.iterations if record.times is not None else []
    return any(PRINTED in iteration.flags for iteration in iterations)
