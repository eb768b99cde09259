"""Where a cell's compiled kernels are stored: in its own folder, which is removed with the sweep.

Inductor names that folder to the C++ compiler without quotes, and loads what is compiled from it.
So it lies in the cell's folder only where the path is plain and the mount lets files be executed.
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

#: What a C++ compiler's command line takes as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_NAMED_BY_USER = "TORCHINDUCTOR_CACHE_DIR"
_FILLED = "filled"
#: Names the lock of the sweep that a cache outside of its folder belongs to.
_LOCK_OF = "lock_of"


def cache_dir(folder: Path) -> Path:
    """The cache of compiled kernels of the cell in ``folder``: no cell finds another's there."""
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
    """Make the cell's cache; gives the variables that send the compiler there. Raises OSError.

    Its precompiled headers go into the folder for temporary files, so that is in there too.
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
    """Whether a round before has compiled to its end ("warm"), and not only begun ("cold")."""
    return "warm" if (cache_dir(folder) / _FILLED).exists() else "cold"


def mark_filled(folder: Path) -> None:
    """Say that a round has compiled to its end."""
    (cache_dir(folder) / _FILLED).touch()


def unused_caches() -> Iterator[str]:
    """A sentence where the user has named a cache: a cell that found kernels there is not cold."""
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
    """Remove the caches of killed sweeps, where they lie outside of the sweeps' folders."""
    for base in _bases():
        for cache in base.glob(f"{_prefix()}*"):
            if (cache / _LOCK_OF).is_file() and cache.stat().st_uid == os.getuid():
                _remove_if_orphan(cache)


def _remove_if_orphan(cache: Path) -> None:
    try:
        with Path(os.fsdecode((cache / _LOCK_OF).read_bytes())).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(cache, ignore_errors=True)
    except FileNotFoundError:  # and so is the sweep
        shutil.rmtree(cache, ignore_errors=True)
    except OSError:  # it runs
        return


def _places(folder: Path) -> Iterator[Path]:
    """Where the cell's cache may lie, the best place first."""
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
    """Whether compiled kernels can be made in ``cache`` and loaded from it."""
    if not _PLAIN.fullmatch(str(cache)):
        return False
    return _can_execute(next(path for path in (cache, *cache.parents) if path.exists()))


@functools.cache
def _can_execute(folder: Path) -> bool:
    """Whether a file that is written in ``folder`` may be loaded as code, by doing so.

    Neither the mount's options nor the permissions say what a container or a security module adds.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            how = mmap.PROT_READ | mmap.PROT_EXEC
            mmap.mmap(file.fileno(), mmap.PAGESIZE, flags=mmap.MAP_PRIVATE, prot=how).close()
    except OSError as error:
        return error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
        )  # it is full, which is reported elsewhere
    return True
