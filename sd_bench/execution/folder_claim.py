"""A claim on a folder that many machines share: one file, created exclusively, that names a job.

A lock that ends with its process (``flock``) does not work across machines on every NFS. Instead
the holder writes a heartbeat to its file about once a second. If the file does not change for as
long as another job is willing to wait, the holder is taken for dead: its file is renamed and the
other job takes its place. A holder that was wrongly taken for dead finds at its next heartbeat that
the file is no longer its own.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec
from msgspec import Struct

from sd_bench.errors import ConfigError
from sd_bench.regular_files import read_json

#: The file that names the folder's holder.
CLAIM_FILE = ".job"
#: The variable with the claim's token, by which a command knows that its job holds the folder.
VARIABLE = "SD_BENCH_JOB_CLAIM"
#: Seconds between two looks at another's heartbeat.
_LOOK_S = 1.0
_LARGEST = 2**12


class Process(Struct, frozen=True, kw_only=True):
    """A process on some machine.

    ``host`` names the machine, its boot and the process's namespace. On the same host a process
    that does not exist is dead.
    """

    host: str
    pid: int

    @classmethod
    def this(cls) -> Process:
        return cls(host=_host(), pid=os.getpid())

    @property
    def is_gone(self) -> bool:
        """Whether it was a process of this host that no longer exists."""
        if self.host != _host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


class Holder(Struct, frozen=True, kw_only=True):
    """The holder of a claim: a scheduler's ``job`` in words, its ``node`` and its process.

    ``beat`` counts up while it lives.
    """

    job: str
    node: str
    token: str
    process: Process
    beat: int = 0


class LostClaimError(Exception):
    """Another job has taken the holder for dead and now works in the folder."""


@dataclass(slots=True)
class FolderClaim:
    """A folder that this process holds until ``release``; call ``beat`` about once a second."""

    path: Path
    _file: int
    _holder: Holder

    @property
    def token(self) -> str:
        return self._holder.token

    def beat(self) -> None:
        """Write a heartbeat. Raises LostClaimError if another job has taken the claim."""
        try:
            is_mine = os.path.samestat(self.path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            is_mine = False
        if not is_mine:
            raise LostClaimError(f"{self.path}: another job has taken over")
        self._holder = msgspec.structs.replace(self._holder, beat=self._holder.beat + 1)
        _write(self._file, self._holder)

    def release(self) -> None:
        """Release the folder, if this process still holds it."""
        if self._file < 0:
            return
        try:
            if os.path.samestat(self.path.stat(), os.fstat(self._file)):
                self.path.unlink()
        except FileNotFoundError:
            pass
        os.close(self._file)
        self._file = -1


def take_claim(
    folder: Path, job: str, node: str, patience_s: float, waiting: Callable[[str], None]
) -> FolderClaim:
    """Claim ``folder`` for this process, unless a living job holds it.

    If that takes a while, ``waiting`` is called with the other job. Raises ConfigError if it
    lives, OSError if the folder cannot be written.
    """
    path = folder / CLAIM_FILE
    process = Process.this()
    token = f"{process.host}-{process.pid}-{time.time_ns()}"
    holder = Holder(job=job, node=node, token=token, process=process)
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            _remove_if_dead(path, patience_s, waiting)
            continue
        _write(file, holder)
        return FolderClaim(path, file, holder)


def holder_of(folder: Path) -> Holder | None:
    """The holder in the folder's claim file, who may be dead; None without one."""
    try:
        found: Holder = read_json(folder / CLAIM_FILE, _LARGEST, Holder)
        return found
    except (OSError, ValueError):
        return None


def living_holder(folder: Path) -> Holder | None:
    """The holder of the folder, unless it is a process of this host that no longer exists."""
    holder = holder_of(folder)
    return None if holder is None or holder.process.is_gone else holder


def check_not_anothers(folder: Path) -> bool:
    """Whether this command's job holds the ``folder``. Raises ConfigError if another one does."""
    holder = holder_of(folder)
    if holder is None:
        return False
    if holder.token == os.environ.get(VARIABLE):
        return True
    if holder.process.is_gone:
        return False
    raise ConfigError(
        f"hydra.sweep.dir={folder}: {holder.job} works there; wait for its end, or cancel it (if "
        f"it is gone, remove {folder / CLAIM_FILE})"
    )


def _remove_if_dead(path: Path, patience_s: float, waiting: Callable[[str], None]) -> None:
    """Remove a dead job's claim. Raises ConfigError if the job lives."""
    try:
        judged = path.stat()
        before = _text_of(path)
        holder = holder_of(path.parent)
        if holder is None or not holder.process.is_gone:
            owner = "another job" if holder is None else holder.job
            waiting(owner)
            deadline = time.monotonic() + patience_s
            while time.monotonic() < deadline:
                time.sleep(_LOOK_S)
                if _text_of(path) != before:
                    raise ConfigError(f"{path.parent}: {owner} works there")
        aside = next(n for i in count() if not (n := path.with_name(f"{path.name}-{i}")).exists())
        path.rename(aside)
    except FileNotFoundError:  # released, or taken over by another
        return
    if not os.path.samestat(aside.stat(), judged):  # a living job has taken over meanwhile
        os.link(aside, path)
        aside.unlink()
        raise ConfigError(f"{path.parent}: another job works there")
    aside.unlink()


def _write(file: int, holder: Holder) -> None:
    text = msgspec.json.encode(holder) + b"\n"
    os.pwrite(file, text, 0)
    os.ftruncate(file, len(text))
    os.fsync(file)


def _text_of(path: Path) -> bytes:
    return path.read_bytes()[:_LARGEST]  # reopened each time, which makes NFS ask its server


def _host() -> str:
    """This machine, its boot and this process's namespace, within which a pid is unique."""
    return "/".join((socket.gethostname(), _boot(), _namespace()))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
