"""Allocators of host memory: where their libraries are, and which one a process really uses.

conf/allocator lists them. This module does not import torch.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sd_bench.config.schema import AllocatorConfig

_PRELOAD = "LD_PRELOAD"
#: The Debian and Ubuntu packages that install the libraries.
_PACKAGES = {"jemalloc": "libjemalloc2", "tcmalloc": "libtcmalloc-minimal4"}
#: The file names of each library, in order of preference.
_FILES = {
    "jemalloc": ("libjemalloc.so.2", "libjemalloc.so"),
    "tcmalloc": (
        *("libtcmalloc_minimal.so.4", "libtcmalloc.so.4"),
        *("libtcmalloc_minimal.so", "libtcmalloc.so"),
    ),
}
#: Libraries that replace malloc in a process that they are mapped into.
_KNOWN = re.compile(r"/lib(jemalloc|tcmalloc|mimalloc|hoard|tbbmalloc_proxy|snmalloc)[^/]*$")
_MAPS = Path("/proc/self/maps")
#: The variable in which glibc looks for huge pages, and the first version that does.
_TUNABLES, _HUGE_PAGES_SINCE = "GLIBC_TUNABLES", (2, 35)
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def cpu_allocator() -> str:
    """The default option for a CPU: ``keep``, a setting of glibc, or ``default`` without glibc."""
    return "keep" if _is_glibc() else "default"


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def why_no_allocator(config: AllocatorConfig) -> str | None:
    """Why a process on this machine cannot use the allocator, or None."""
    if config.library is not None:
        if sys.platform != "linux":
            return f"allocator={config.name} is preloaded, which is done on Linux only"
        if _find(config.library) is None:
            package = _PACKAGES.get(config.library)
            how = f": apt install {package}" if package else ""
            return f"allocator={config.name}: the library {config.library} is not installed{how}"
    elif config.variables and not _is_glibc():
        return f"allocator={config.name} is a setting of glibc, which this system does not have"
    elif _TUNABLES in config.variables and (why := _why_no_huge_pages()):
        return f"allocator={config.name}: {why}"
    return None


def _why_no_huge_pages() -> str | None:
    """Why a request for huge pages would be ignored without a message, or None."""
    version = platform.libc_ver()[1]
    if tuple(map(int, version.split(".")[:2])) < _HUGE_PAGES_SINCE:
        return f"needs glibc 2.35 or newer, this is {version}"
    if not _HUGE_PAGES.is_file() or "[never]" in _HUGE_PAGES.read_text():
        return f"huge pages are off: {_HUGE_PAGES} must be madvise or always"
    return None


def variables_of(config: AllocatorConfig, present: Mapping[str, str]) -> dict[str, str]:
    """The environment variables with which to start a process that uses the allocator.

    ``present`` are the variables now; a library is added to those preloaded already.
    """
    variables = dict(config.variables)
    path = None if config.library is None else _find(config.library)
    if path is not None:
        variables[_PRELOAD] = ":".join(filter(None, (path, present.get(_PRELOAD))))
    return variables


def without_allocator(config: AllocatorConfig, present: Mapping[str, str]) -> dict[str, str]:
    """The variables in ``present`` without what `variables_of` has added to them."""
    path = None if config.library is None else _find(config.library)
    left = {name: value for name, value in present.items() if name not in config.variables}
    if path is not None and (others := left.pop(_PRELOAD, "").removeprefix(path).lstrip(":")):
        left[_PRELOAD] = others
    return left


def why_not_had(config: AllocatorConfig) -> str | None:
    """Why this process is not using the allocator that it was started with, or None."""
    mapped = mapped_allocator()
    if config.library is not None:
        if mapped is not None and Path(config.library).name.partition(".")[0] in mapped:
            return None
        return f"allocator={config.name}: preloaded, but the process has {mapped or 'none'} mapped"
    for name, value in config.variables.items():
        if os.environ.get(name) != value:
            return f"allocator={config.name}: {name} is {os.environ.get(name)!r}, not {value!r}"
    if config.variables and mapped is not None:
        return f"allocator={config.name} is a setting of glibc, and {mapped} is in its place"
    return None


def mapped_allocator() -> str | None:
    """The file name of the library that replaces malloc in this process; None if none does."""
    try:
        lines = _MAPS.read_text(errors="replace").splitlines()
    except OSError:
        return None
    found = (match[0][1:] for line in lines if (match := _KNOWN.search(line)))
    return next(found, None)


@cache
def _find(library: str) -> str | None:
    """The path of a library: itself if it is a path, else where the system's linker finds it."""
    if os.sep in library:
        return str(Path(library).absolute()) if Path(library).is_file() else None
    names = _FILES.get(library, (f"lib{library}.so",))
    folders = [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), str(Path(sys.prefix) / "lib")]
    candidates = [Path(folder) / name for name in names for folder in folders if folder]
    known = _cached_by_the_linker()
    paths = [str(path) for path in candidates if path.is_file()]
    return next(iter([*paths, *(known[name] for name in names if name in known)]), None)


def _cached_by_the_linker() -> dict[str, str]:
    """The libraries that ldconfig knows, by file name."""
    for command in ("/sbin/ldconfig", "ldconfig"):
        try:
            printed = subprocess.run([command, "-p"], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        pairs = re.findall(r"^\s*(\S+) \(([^)]*)\) => (\S+)$", printed.stdout, re.MULTILINE)
        wide = [(name, path) for name, kind, path in pairs if "64" in kind] or [
            (name, path) for name, _, path in pairs
        ]
        return dict(reversed(wide))
    return {}
