"""Facts of the machine, and of this process's share of it, that change how fast it runs.

They hold for the life of a process; ``host_counters`` counts what changes from minute to minute.
``root`` is the root of the file system.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import os
import platform
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sd_bench.capabilities.cgroups import cpu_groups, cpu_quota
from sd_bench.capabilities.devices import cpu_name
from sd_bench.capabilities.processors import core_of

_ROOT = Path("/")
_CPUS = "sys/devices/system/cpu"
_NODES = "sys/devices/system/node"
_POLICIES = {0: "other", 1: "fifo", 2: "round robin", 3: "batch", 5: "idle", 6: "deadline"}
#: The number of the system call get_mempolicy by machine, and the policies that it returns
#: (linux/mempolicy.h).
_GET_MEMPOLICY = {"x86_64": 239, "aarch64": 236}
_MEMORY_POLICIES = (
    "default", "preferred", "bind", "interleave", "local", "preferred many", "weighted interleave",
)  # fmt: skip
_MOST_NODES = 1024
#: Options of ``python -X`` that cost no time or are already in other facts.
_HARMLESS_OPTIONS = (
    "faulthandler", "utf8", "dev", "tracemalloc", "no_debug_ranges", "frozen_modules",
    "warn_default_encoding", "pycache_prefix", "int_max_str_digits",
)  # fmt: skip


def describe_processors(numbers: list[int], root: Path = _ROOT) -> dict[str, Any]:
    """What kind of processors ``numbers`` are, how they share cores and caches, and their limits.

    Their numbers are left out, because a container scheduler may assign a different equal set
    each time.
    """
    folders = [root / _CPUS / f"cpu{number}" for number in numbers]
    cores = {core_of(number, root) for number in numbers}
    caches = {_text(folder / "cache/index3/shared_cpu_list") for folder in folders}
    packages = {_text(folder / "topology/physical_package_id") for folder in folders}
    governors = {_text(folder / "cpufreq/scaling_governor") for folder in folders}
    return {
        "name": cpu_name(),
        "cores": os.cpu_count(),
        "affinity": len(numbers) or None,
        "whole_cores": _known(cores),
        "last_level_caches": _known(caches),
        "packages": _known(packages),
        "memory_nodes": len(nodes_of(numbers, root)) or None,
        "kinds": dict(sorted(Counter(map(_kind, folders)).items())),
        "governor": ", ".join(sorted(filter(None, governors))) or None,
        "boost": _text(root / _CPUS / "cpufreq/boost"),
        "no_turbo": _text(root / _CPUS / "intel_pstate/no_turbo"),
        "microcode": _microcode(root),
        "quota": cpu_quota(cpu_groups(root)),
    }


def _kind(folder: Path) -> str:
    """A processor's limits: its capacity, its highest clock, and the clock it is limited to."""
    facts = {
        "capacity": _text(folder / "cpu_capacity"),
        "kHz": _text(folder / "cpufreq/cpuinfo_max_freq"),
        "kHz at most": _text(folder / "cpufreq/scaling_max_freq"),
    }
    return ", ".join(f"{value} {unit}" for unit, value in facts.items() if value) or "unknown"


def _microcode(root: Path) -> str | None:
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        if line.startswith("microcode"):
            return line.partition(":")[2].strip()
    return None


def describe_scheduling(root: Path = _ROOT) -> dict[str, Any]:
    """This process's scheduling priority relative to others."""
    policy = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    autogroup = _text(root / "proc/self/autogroup")
    return {
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "policy": None if policy is None else _POLICIES.get(policy, f"policy {policy}"),
        "priority": None if policy is None else os.sched_getparam(0).sched_priority,
        "autogroup_niceness": autogroup.split()[-1] if autogroup else None,
    }


def describe_memory(numbers: list[int], root: Path = _ROOT) -> dict[str, Any]:
    """Where memory comes from: number of nodes, policy, and whether it is near the processors."""
    allowed = parse_list(_status("Mems_allowed_list", root) or "")
    policy, bound = memory_policy()
    from_nodes = bound if policy == "bind" else allowed
    mine = nodes_of(numbers, root)
    return {
        "nodes": len(from_nodes) or None,
        "policy": policy,
        "near": mine <= from_nodes if mine and from_nodes else None,
        "balancing": _text(root / "proc/sys/kernel/numa_balancing"),
        "huge_pages": _chosen(root / "sys/kernel/mm/transparent_hugepage/enabled"),
        "huge_page_defrag": _chosen(root / "sys/kernel/mm/transparent_hugepage/defrag"),
        "huge_pages_allowed": _status("THP_enabled", root),
    }


def allowed_nodes(root: Path = _ROOT) -> str | None:
    """The memory nodes that this process may use, in the kernel's notation: "0-1"."""
    return _status("Mems_allowed_list", root)


def nodes_of(numbers: Iterable[int], root: Path = _ROOT) -> set[int]:
    """The memory nodes that the processors ``numbers`` belong to."""
    return {
        int(folder.name.removeprefix("node"))
        for folder in (root / _NODES).glob("node[0-9]*")
        if not parse_list(_text(folder / "cpulist") or "").isdisjoint(numbers)
    }


def memory_policy() -> tuple[str | None, set[int]]:
    """This process's memory policy, as numactl sets it, and its nodes; None where unknown."""
    number = _GET_MEMPOLICY.get(platform.machine()) if sys.platform == "linux" else None
    if number is None:
        return None, set()
    mode, nodes = ctypes.c_int(), (ctypes.c_ulong * (_MOST_NODES // 64))()
    call = ctypes.CDLL(None, use_errno=True).syscall
    if call(number, ctypes.byref(mode), nodes, ctypes.c_ulong(_MOST_NODES), None, 0) != 0:
        return None, set()
    kind = mode.value & 0xFF  # the higher bits are flags
    known = kind < len(_MEMORY_POLICIES)
    bound = {i for i in range(_MOST_NODES) if nodes[i // 64] >> (i % 64) & 1}
    return _MEMORY_POLICIES[kind] if known else f"policy {kind}", bound


def python_switches() -> dict[str, Any]:
    """Settings that make this interpreter slower than usual; empty if there are none."""
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    is_perf_on = getattr(sys, "is_stack_trampoline_active", lambda: False)
    switches = {
        "dev_mode": sys.flags.dev_mode,
        "malloc": os.environ.get("PYTHONMALLOC"),
        "tracemalloc": tracemalloc.is_tracing(),
        "trace_hook": sys.gettrace() is not None or threading.gettrace() is not None,
        "profile_hook": sys.getprofile() is not None or threading.getprofile() is not None,
        "monitoring": monitoring and [n for n in range(6) if monitoring.get_tool(n) is not None],
        "perf_support": is_perf_on(),
        "debug_build": hasattr(sys, "gettotalrefcount"),
        "collector_off": not gc.isenabled(),
        "collector_debug": gc.get_debug(),
        "options": sorted(
            name if value is True else f"{name}={value}"
            for name, value in sys._xoptions.items()
            if name not in _HARMLESS_OPTIONS
        ),
        "debugger": _status("TracerPid") not in (None, "0"),
    }
    return {name: value for name, value in switches.items() if value}


def describe_machine(root: Path = _ROOT) -> dict[str, Any]:
    """Which machine it is: its model in plain text, its identity as a hash.

    The hash is of the installation's ID (machine-id(5)) and the board's, if it may be read. A
    container image may have neither, or the same ID on every machine; then two machines of one
    model are not distinguished.
    """
    board = root / "sys/class/dmi/id"
    model = " ".join(filter(None, (_text(board / n) for n in ("sys_vendor", "product_name"))))
    secrets = [_text(root / "etc/machine-id"), _text(board / "product_uuid")]
    text = "sd_bench " + " ".join(filter(None, secrets))
    return {
        "model": model or _text(root / "proc/device-tree/model"),
        "identity": hashlib.sha256(text.encode()).hexdigest()[:16] if any(secrets) else None,
    }


def compiler_version() -> str | None:
    """The first line of ``--version`` of torch.compile's C++ compiler; None without a compiler."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    try:
        answer = subprocess.run(
            [compiler, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.partition("\n")[0]


def parse_list(text: str) -> set[int]:
    """The numbers in a list in the kernel's notation: "0-3,8"."""
    ranges = (part.partition("-") for part in text.strip().split(",") if part)
    return {n for first, _, last in ranges for n in range(int(first), int(last or first) + 1)}


def write_list(numbers: Iterable[int]) -> str:
    """``numbers`` in the kernel's notation: "0-3,8"."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def _status(name: str, root: Path = _ROOT) -> str | None:
    for line in (_text(root / "proc/self/status") or "").splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return None


def _chosen(file: Path) -> str | None:
    """The word in brackets, with which the kernel marks the selected option."""
    text = _text(file)
    return text.partition("[")[2].partition("]")[0] if text else None


def _known(values: set[str | None]) -> int | None:
    """How many values there are, or None if any is unknown."""
    return len(values) if values and None not in values else None


def _text(file: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8").strip("\0\n ") or None
    return None
