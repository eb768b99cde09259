"""The machine of a tune, its versions, and its free memory, found without importing torch."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from sd_bench.capabilities.cgroups import cpu_groups
from sd_bench.capabilities.devices import cpu_name, matching_devices
from sd_bench.capabilities.implementations import needed_packages
from sd_bench.config.schema import Config
from sd_bench.execution.plan import PlannedCell

_MEMINFO = Path("/proc/meminfo")
_ROOT = Path("/")


def describe_device(config: Config) -> dict[str, Any]:
    """The name of the device that a cell runs on, and the number of processors."""
    devices = matching_devices(config.gpu)
    has_own = hasattr(os, "sched_getaffinity")
    return {
        "device": devices[0].name if devices else cpu_name(),
        "processors": len(os.sched_getaffinity(0)) if has_own else os.cpu_count(),
    }


def describe_machine(planned: PlannedCell) -> dict[str, Any]:
    """The device, and the versions that a tune's times depend on."""
    interpreter = planned.interpreter
    packages = {name: _version(name) for name in needed_packages()}
    return {
        **describe_device(planned.cell.config),
        "versions": {
            "torch": None if interpreter is None else interpreter.torch,
            **{name: version for name, version in packages.items() if version is not None},
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def free_bytes(meminfo: Path = _MEMINFO, root: Path = _ROOT) -> int | None:
    """Bytes of host memory left for further processes, by the system and by control groups.

    ``None`` where neither reports it.
    """
    known = [_available(meminfo), *(_left_in(group) for group in cpu_groups(root))]
    return min((each for each in known if each is not None), default=None)


def _available(meminfo: Path) -> int | None:
    with suppress(OSError, ValueError):
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _left_in(group: Path) -> int | None:
    """Bytes left in a control group (version 2); its reclaimable file cache counts as free."""
    with suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return limit - used + int(stat.get("inactive_file", 0))
    return None
