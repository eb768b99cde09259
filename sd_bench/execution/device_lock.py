"""Locks that let only one round at a time measure on a device of this machine, for any user.

A round on a CPU has its processors to itself: no other may measure on any of them. A round on a GPU
has the GPU to itself, and shares the processors with rounds on other GPUs, but not with a round on
a CPU. The locks are ``flock`` on files in a folder that all users share (SD_BENCH_LOCK_DIR names
another); they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sd_bench.capabilities.nvidia_driver import Device
from sd_bench.errors import ConfigError

VARIABLE = "SD_BENCH_LOCK_DIR"
_NAME = "sd_bench-locks"
#: All users may write, and none may remove another's files.
_SHARED_MODE = 0o1777


@dataclass(frozen=True, slots=True)
class Claim:
    """A lock that a round needs: its file name, and whether others may hold it too."""

    name: str
    is_shared: bool = False


def claims_on_processors(is_shared: bool) -> list[Claim]:
    """One claim per processor that this process, and so its workers, may run on."""
    if hasattr(os, "sched_getaffinity"):
        return [Claim(f"cpu-{n}", is_shared) for n in sorted(os.sched_getaffinity(0))]
    return [Claim("cpu", is_shared)]


def claims_on(device: Device | None) -> tuple[Claim, ...]:
    """The claims of a round on a GPU, or on the processors if there is no ``device``."""
    if device is None:
        return tuple(claims_on_processors(is_shared=False))
    return (*claims_on_processors(is_shared=True), Claim(device.uuid))


class DeviceLock:
    """Takes its ``claims`` one by one, always in the same order, which avoids deadlocks.

    A command that waits for a claim keeps later ones from taking it, so commands take turns.
    """

    def __init__(self, claims: Sequence[Claim], folder: Path) -> None:
        self._claims = claims
        self._folder = folder
        self._held: list[int] = []
        self._next: int | None = None
        self._asked_at: float | None = None
        self._taken_at: float | None = None

    @property
    def waited_s(self) -> float:
        """Seconds from the first failed try to success; 0 if the first try succeeded."""
        if self._asked_at is None:
            return 0.0
        return (self._taken_at or time.monotonic()) - self._asked_at

    def try_to_take(self) -> bool:
        """Take the claims that are free now; whether all are taken. Raises OSError."""
        for claim in self._claims[len(self._held) :]:
            if self._next is None:
                self._next = self._lock(f"{claim.name}.next", is_shared=False)
            held = None if self._next is None else self._lock(claim.name, claim.is_shared)
            if held is None:
                self._asked_at = self._asked_at or time.monotonic()
                return False
            self._held.append(held)
            self._let_go_of_next()
        self._taken_at = self._taken_at or time.monotonic()
        return True

    def release(self) -> None:
        """Release all claims, including those of an incomplete try."""
        self._let_go_of_next()
        while self._held:
            os.close(self._held.pop())
        self._asked_at = self._taken_at = None

    def _let_go_of_next(self) -> None:
        if self._next is not None:
            os.close(self._next)
            self._next = None

    def _lock(self, name: str, is_shared: bool) -> int | None:
        """The open file that holds the lock, or None while another process holds it."""
        path = self._folder / name
        file = _open(path)
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if os.path.sameopenfile(file, again := _open(path)):
                with suppress(PermissionError):
                    os.utime(file)  # cleaners of temporary folders leave new files alone
                os.close(again)
                return file
            os.close(again)  # the file was removed: it would lock nothing
        except BlockingIOError:
            pass
        os.close(file)
        return None


def _open(path: Path) -> int:
    """Open a file for reading, which is enough for a lock, so another user's will do."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    for _ in range(2):
        with suppress(FileNotFoundError):
            return os.open(path, flags)
        with suppress(FileExistsError):
            os.close(os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o444))
    return os.open(path, flags)


def lock_folder() -> Path:
    """The folder of this machine's locks, created if needed. Raises ConfigError without one."""
    named = os.environ.get(VARIABLE)
    if named:
        folder = Path(named).absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.close(_open(folder / "cpu"))
        except OSError as error:
            raise ConfigError(
                f"{VARIABLE}={named}: {(error.strerror or str(error)).lower()}; name a writable "
                "folder, or leave it out"
            ) from None
        return folder
    # not tempfile.gettempdir(): each user may have a different one
    own = f"{_NAME}-{os.getuid()}"
    for parent, name in ((Path("/tmp"), _NAME), (Path(tempfile.gettempdir()), own)):
        with suppress(OSError):
            return _usable(parent / name, is_shared=name == _NAME)
    raise ConfigError(
        f"no folder for the locks that prevent two measurements at the same time: /tmp/{_NAME} "
        f"cannot be used; name one with {VARIABLE}"
    )


def _usable(folder: Path, is_shared: bool) -> Path:
    """``folder``, created if needed. Raises OSError unless it is writable and safe.

    In a folder that another user could replace or empty, locks would not hold.
    """
    with suppress(FileExistsError):
        folder.mkdir()
        if is_shared:
            folder.chmod(_SHARED_MODE)
    state = folder.lstat()
    is_safe = state.st_uid in (0, os.getuid()) or bool(state.st_mode & stat.S_ISVTX)
    if not stat.S_ISDIR(state.st_mode) or not is_safe:
        raise PermissionError(folder)
    os.close(_open(folder / "cpu"))
    return folder
