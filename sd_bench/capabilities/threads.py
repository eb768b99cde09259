"""The threads of a worker: how many compute, on which processors, and whether it really has them.

PyTorch computes on a CPU with OpenMP's threads (libgomp in its wheels), which MKL uses too; both
read their number when they are loaded. Every OpenMP binds its threads by OMP_PROC_BIND and
OMP_PLACES (OpenMP 5.2, sections 21.1.6 and 21.1.7). OpenVINO has its own threads, and properties
for their number and binding. Only `why_not_had` imports torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sd_bench.capabilities.processors import PROCESSORS, cores_first, num_usable, own_processors
from sd_bench.config.schema import OUR_IMPLEMENTATION, Config, ThreadsConfig

_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
#: Keeps the libraries from changing the number themselves.
_FIXED = {"OMP_DYNAMIC": "FALSE", "MKL_DYNAMIC": "FALSE"}
_PLACES = ("OMP_PLACES", "OMP_PROC_BIND", PROCESSORS)
#: Implementations that compute with OpenMP's threads, and those that bind threads by a property.
_BY_OPENMP = (OUR_IMPLEMENTATION, "diffusers", "diffusers_documented", "diffusers_pipeline")
_BY_PROPERTY = ("openvino",)
_TASKS = Path("/proc/self/task")
#: The elements of a tensor large enough that every thread gets a part.
_ELEMENTS = 2**22


def num_threads(threads: ThreadsConfig) -> int | None:
    """The number of threads that the setting means; None if PyTorch chooses."""
    if threads.count == "auto":
        return None
    if threads.count == "cores":
        turns = cores_first(own_processors())
        return min(len(turns[0]) if turns else num_usable(), num_usable())
    return int(threads.count)


def why_no_threads(config: Config) -> str | None:
    """Why a process on this machine cannot have the threads of a cell, or None."""
    count = num_threads(config.threads)
    if config.threads.pinned and (why := _why_not_pinned(config)):
        return f"threads.pinned=true: {why}"
    if count is not None and count > (usable := num_usable()):
        return f"threads={count}: this process may use {usable} CPUs (affinity and cgroup quota)"
    return None


def _why_not_pinned(config: Config) -> str | None:
    if sys.platform != "linux":
        return "threads are bound to processors on Linux only"
    if config.threads.count == "auto":
        return "give their number, too: threads=N, or threads=cores for one per core"
    name = config.implementation.name
    if name not in (*_BY_OPENMP, *_BY_PROPERTY):
        return f"how {name} binds its threads is not known"
    return None


def variables_of(config: Config) -> dict[str, str]:
    """The environment variables with which to start a process that has the threads of a cell."""
    count = num_threads(config.threads)
    if count is None:
        return {}
    variables = {**dict.fromkeys(_COUNTS, str(count)), **_FIXED}
    if config.threads.pinned and config.implementation.name in _BY_OPENMP:
        processors = own_processors()
        places = ",".join(f"{{{number}}}" for number in _first(processors, count))
        listed = ",".join(map(str, processors))
        variables |= {"OMP_PLACES": places, "OMP_PROC_BIND": "close", PROCESSORS: listed}
    return variables


def _first(processors: list[int], count: int) -> list[int]:
    """The first ``count`` processors, on different cores as far as possible."""
    return [number for turn in cores_first(processors) for number in turn][:count]


def replaced_by(config: Config, present: Mapping[str, str]) -> dict[str, str]:
    """Those of the ``present`` variables that `variables_of` replaces, with their old values."""
    return {name: present[name] for name in variables_of(config) if name in present}


def without_threads(
    config: Config, present: Mapping[str, str], replaced: Mapping[str, str]
) -> dict[str, str]:
    """The ``present`` variables as they were before `variables_of`."""
    added = variables_of(config)
    return {**{name: v for name, v in present.items() if name not in added}, **replaced}


def why_not_had(config: Config) -> str | None:
    """Why this process does not have the threads that it was started with, or None."""
    import torch

    count = num_threads(config.threads)
    if count is None:
        return None
    if (found := torch.get_num_threads()) != count:
        return f"threads={count}: PyTorch has {found}"
    if PROCESSORS in variables_of(config):
        torch.ones(_ELEMENTS).exp_()  # starts all of them
        wanted = set(_first(own_processors(), count))
        if (bound := bound_processors()) != wanted:
            return f"threads.pinned=true: threads are bound to {_list(bound)}, not {_list(wanted)}"
    return None


def bound_processors() -> set[int]:
    """The processors of those threads of this process that are bound to a single one."""
    masks = [os.sched_getaffinity(int(task.name)) for task in _TASKS.iterdir()]
    return {number for mask in masks if len(mask) == 1 for number in mask}


def _list(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none"
