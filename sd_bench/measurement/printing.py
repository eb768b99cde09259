"""Whether anything was printed while a timed iteration ran, which takes time of it."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import structs

from sd_bench.records import Iteration, Record

#: The flag of an iteration in which its thread wrote to anything at all.
PRINTED = "printed"


def bytes_written() -> int | None:
    """All that this thread has ever written; None where the system does not count it.

    The threads of a driver may write to one another, and are left out.
    """
    try:
        told = Path("/proc/thread-self/io").read_text()
    except OSError:
        return None
    match = re.search(r"^wchar: (\d+)", told, re.M)
    return int(match[1]) if match else None


def flag_printed(iterations: list[Iteration], written: list[bool]) -> list[Iteration]:
    """``iterations`` with the flag on those of which ``written`` says so."""
    return [
        structs.replace(iteration, flags=[*iteration.flags, PRINTED]) if has else iteration
        for iteration, has in zip(iterations, written, strict=True)
    ]


def has_printed(record: Record) -> bool:
    """Whether something was printed in one of the round's timed iterations."""
    iterations = record.times.iterations if record.times is not None else []
    return any(PRINTED in iteration.flags for iteration in iterations)
