"""The processors that this process may use, and which of them share a core (no torch)."""

from __future__ import annotations

import math
import os
from pathlib import Path

from sd_bench.capabilities.cgroups import cpu_groups, cpu_quota

#: The variable in which the launcher lists the processors that a worker with bound threads may use.
#: Binding leaves the worker's first thread, and all that this starts, a single processor.
PROCESSORS = "SD_BENCH_PROCESSORS"
_ROOT = Path("/")
_CPUS = "sys/devices/system/cpu"


def own_processors() -> list[int]:
    """The numbers of the processors that this process may run on; empty if unknown."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    listed = os.environ.get(PROCESSORS)
    return list(map(int, listed.split(","))) if listed else sorted(os.sched_getaffinity(0))


def num_processors() -> int:
    """How many processors this process may run on."""
    return len(own_processors()) or os.cpu_count() or 1


def num_usable(root: Path = _ROOT) -> int:
    """How many processors this process can keep busy: `num_processors`, or fewer by its quota."""
    quota = cpu_quota(cpu_groups(root))
    return num_processors() if quota is None else min(num_processors(), math.ceil(quota))


def cores_first(numbers: list[int], root: Path = _ROOT) -> list[list[int]]:
    """``numbers`` in turns: one processor of each core, then the second of each, and so on.

    A processor whose core is unknown counts as a core.
    """
    cores: dict[str, list[int]] = {}
    for number in sorted(numbers):
        cores.setdefault(core_of(number, root) or f"of {number} alone", []).append(number)
    most = max(map(len, cores.values()), default=0)
    return [[core[turn] for core in cores.values() if turn < len(core)] for turn in range(most)]


def core_of(number: int, root: Path = _ROOT) -> str | None:
    """A name for the core that a processor belongs to; None if unknown."""
    topology = root / _CPUS / f"cpu{number}" / "topology"
    for name in ("core_cpus_list", "thread_siblings_list"):  # the latter before Linux 5.3
        try:
            return (topology / name).read_text().strip()
        except OSError:
            continue
    return None
