"""One measured round at a time on a device of this machine, whoever started it.

A round on a CPU has its processors for itself: others may not measure on any of them. One on a GPU
has that for itself, and shares the processors with the rounds on other GPUs, but not with one on a
CPU. The locks are ``flock``'s on files in a folder of all users' (SD_BENCH_LOCK_DIR names another):
they end with the process that holds them, however it ends.
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
#: Everybody may write, and nobody may remove another user's files.
_SHARED_MODE = 0o1777


@dataclass(frozen=True, slots=True)
class Claim:
    """What a round needs: the file name of a lock, and whether others may have it too."""

    name: str
    is_shared: bool = False


def claims_on_processors(is_shared: bool) -> list[Claim]:
    """One for each processor that this process, and so its workers, may run on."""
    if hasattr(os, "sched_getaffinity"):
        return [Claim(f"cpu-{n}", is_shared) for n in sorted(os.sched_getaffinity(0))]
    return [Claim("cpu", is_shared)]


def claims_on(device: Device | None) -> tuple[Claim, ...]:
    """What a round on a GPU needs, or one on the processors if there is no ``device``."""
    if device is None:
        return tuple(claims_on_processors(is_shared=False))
    return (*claims_on_processors(is_shared=True), Claim(device.uuid))


class DeviceLock:
    """Takes its ``claims`` bit by bit, in one order for all, so that there is no deadlock.

    Who waits for a claim keeps the others from it that come later: so two commands take turns.
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
        """How long it took from the first try that failed; 0 if the first one did not."""
        if self._asked_at is None:
            return 0.0
        return (self._taken_at or time.monotonic()) - self._asked_at

    def try_to_take(self) -> bool:
        """Take what is free now, and say whether that is all. Raises OSError."""
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
        """Give everything back, also what was taken in vain."""
        self._let_go_of_next()
        while self._held:
            os.close(self._held.pop())
        self._asked_at = self._taken_at = None

    def _let_go_of_next(self) -> None:
        if self._next is not None:
            os.close(self._next)
            self._next = None

    def _lock(self, name: str, is_shared: bool) -> int | None:
        """The open file that holds the lock, or None while another's does."""
        path = self._folder / name
        file = _open(path)
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if os.path.sameopenfile(file, again := _open(path)):
                with suppress(PermissionError):
                    os.utime(file)  # what cleans temporary folders leaves new files alone
                os.close(again)
                return file
            os.close(again)  # removed meanwhile: it would lock nothing
        except BlockingIOError:
            pass
        os.close(file)
        return None


def _open(path: Path) -> int:
    """Open for reading, which is enough for a lock; a file of another user's is as good as ours."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    for _ in range(2):
        with suppress(FileNotFoundError):
            return os.open(path, flags)
        with suppress(FileExistsError):
            os.close(os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o444))
    return os.open(path, flags)


def lock_folder() -> Path:
    """Where the locks of this machine are, made if need be. Raises ConfigError if it cannot be."""
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
    # not tempfile.gettempdir(): users may have temporary folders of their own
    own = f"{_NAME}-{os.getuid()}"
    for parent, name in ((Path("/tmp"), _NAME), (Path(tempfile.gettempdir()), own)):
        with suppress(OSError):
            return _usable(parent / name, is_shared=name == _NAME)
    raise ConfigError(
        f"no folder for the locks that prevent two measurements at the same time: /tmp/{_NAME} "
        f"cannot be used; name one with {VARIABLE}"
    )


def _usable(folder: Path, is_shared: bool) -> Path:
    """``folder``, made if need be; raises OSError unless it takes files and is what we would make.

    One that somebody else could swap or empty would lock nothing.
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
