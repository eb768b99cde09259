"""The processors that this process may use, and which of them are one core's (no torch)."""

from __future__ import annotations

import math
import os
from pathlib import Path

from sd_bench.capabilities.cgroups import cpu_groups, cpu_quota

#: What the launcher tells a process whose threads are bound: the processors that it had before. The
#: system then gives its first thread one of them, and so what that thread starts.
PROCESSORS = "SD_BENCH_PROCESSORS"
_ROOT = Path("/")
_CPUS = "sys/devices/system/cpu"


def own_processors() -> list[int]:
    """The numbers of the processors that this process may run on; empty where nobody tells."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    told = os.environ.get(PROCESSORS)
    return list(map(int, told.split(","))) if told else sorted(os.sched_getaffinity(0))


def num_processors() -> int:
    """How many processors this process may run on."""
    return len(own_processors()) or os.cpu_count() or 1


def num_usable(root: Path = _ROOT) -> int:
    """How many processors' worth of time this process may have at once: those, or its quota."""
    quota = cpu_quota(cpu_groups(root))
    return num_processors() if quota is None else min(num_processors(), math.ceil(quota))


def cores_first(numbers: list[int], root: Path = _ROOT) -> list[list[int]]:
    """``numbers`` in turns: one processor of each core, then the second one of each, and so on.

    Where nobody tells which are one core's, each is taken for a core of its own.
    """
    cores: dict[str, list[int]] = {}
    for number in sorted(numbers):
        cores.setdefault(core_of(number, root) or f"of {number} alone", []).append(number)
    most = max(map(len, cores.values()), default=0)
    return [[core[turn] for core in cores.values() if turn < len(core)] for turn in range(most)]


def core_of(number: int, root: Path = _ROOT) -> str | None:
    """A name of the core that a processor belongs to; None where nobody tells."""
    topology = root / _CPUS / f"cpu{number}" / "topology"
    for name in ("core_cpus_list", "thread_siblings_list"):  # the latter before Linux 5.3
        try:
            return (topology / name).read_text().strip()
        except OSError:
            continue
    return None
