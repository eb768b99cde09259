"""The cache of a cell's compiled kernels, a folder that is removed at the end of the sweep.

Inductor passes its path to the C++ compiler without quotes, and loads code from it. So it is in the
cell's folder only if the path has no special characters and the mount allows executing files.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import mmap
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sd_bench.execution.sweep_folder import LOCK

#: Paths that need no quotes on a C++ compiler's command line.
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_NAMED_BY_USER = "TORCHINDUCTOR_CACHE_DIR"
_FILLED = "filled"
#: The file with the path of the sweep's lock, in a cache outside the sweep's folder.
_LOCK_OF = "lock_of"


def cache_dir(folder: Path) -> Path:
    """The folder for compiled kernels of the cell in ``folder``, which no other cell uses."""
    return next(filter(_suits, _places(folder)), folder / ".compile_cache")


def why_no_cache(folder: Path) -> str | None:
    """Why the cell's compiled kernels cannot be stored, or None."""
    if _suits(cache_dir(folder)):
        return None
    return (
        "torch.compile needs a folder without special characters in its path, on a mount that is "
        f"not noexec: name one with {_NAMED_BY_USER}"
    )


def make_cache(folder: Path, sweep_folder: Path) -> dict[str, str]:
    """Create the cell's cache; return the environment variables that make the compiler use it.

    The compiler's precompiled headers go into the folder for temporary files, so that is in the
    cache too. Raises OSError.
    """
    cache = cache_dir(folder)
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if cache.stat().st_uid != os.getuid():
        raise PermissionError(f"{cache}: belongs to another user")
    if cache.parent != folder:
        (cache / _LOCK_OF).write_bytes(os.fsencode(sweep_folder / LOCK))
    temporary = cache / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        _NAMED_BY_USER: str(cache),
        "TRITON_CACHE_DIR": str(cache / "triton"),
        "TMPDIR": str(temporary),
    }


def state_of_cache(folder: Path) -> str:
    """ "warm" if an earlier round has finished compiling, else "cold"."""
    return "warm" if (cache_dir(folder) / _FILLED).exists() else "cold"


def mark_filled(folder: Path) -> None:
    """Record that a round has finished compiling."""
    (cache_dir(folder) / _FILLED).touch()


def unused_caches() -> Iterator[str]:
    """A warning if the user has named a cache, which is not used: it would make cells warm."""
    named = [name for name in (_NAMED_BY_USER, "TRITON_CACHE_DIR") if os.environ.get(name)]
    if named:
        yield (
            f"compiled kernels that {' and '.join(named)} may hold are not used: each cell has "
            "its own, empty cache"
        )


def remove_cache(folder: Path) -> None:
    """Remove the cell's cache, if it has one."""
    shutil.rmtree(cache_dir(folder), ignore_errors=True)


def remove_orphans() -> None:
    """Remove the caches that killed sweeps have left outside their folders."""
    for base in _bases():
        for cache in base.glob(f"{_prefix()}*"):
            if (cache / _LOCK_OF).is_file() and cache.stat().st_uid == os.getuid():
                _remove_if_orphan(cache)


def _remove_if_orphan(cache: Path) -> None:
    try:
        with Path(os.fsdecode((cache / _LOCK_OF).read_bytes())).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(cache, ignore_errors=True)
    except FileNotFoundError:  # the sweep's folder is gone
        shutil.rmtree(cache, ignore_errors=True)
    except OSError:  # the sweep is running
        return


def _places(folder: Path) -> Iterator[Path]:
    """The possible folders of the cell's cache, the best one first."""
    name = _prefix() + hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    outside = [base / name for base in _bases()]
    named_by_user = 1 if os.environ.get(_NAMED_BY_USER) else 0
    yield from outside[:named_by_user]
    yield folder / ".compile_cache"
    yield from outside[named_by_user:]


def _bases() -> list[Path]:
    named = os.environ.get(_NAMED_BY_USER)
    bases = [Path(tempfile.gettempdir()), Path("~/.cache").expanduser(), Path("/var/tmp")]
    return [base.absolute() for base in [*([Path(named)] if named else []), *bases]]


def _prefix() -> str:
    return f"sd_bench-{os.getuid()}-"


def _suits(cache: Path) -> bool:
    """Whether kernels can be compiled in ``cache`` and loaded from it."""
    if not _PLAIN.fullmatch(str(cache)):
        return False
    return _can_execute(next(path for path in (cache, *cache.parents) if path.exists()))


@functools.cache
def _can_execute(folder: Path) -> bool:
    """Whether a file in ``folder`` can be loaded as code, which is tried.

    The mount's options and the permissions do not show what a container or security module forbids.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            how = mmap.PROT_READ | mmap.PROT_EXEC
            mmap.mmap(file.fileno(), mmap.PAGESIZE, flags=mmap.MAP_PRIVATE, prot=how).close()
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)  # a full disk is reported elsewhere
    return True
