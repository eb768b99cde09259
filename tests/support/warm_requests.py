"""What is asked of a warm server, and what it must not be asked."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Mapping
from pathlib import Path

#: What a command may find other than its server did: nobody reads it before a command begins.
_READ_LATE = {
    *("COLUMNS", "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "HYDRA_FULL_ERROR", "LINES"),
    *("PATH", "PWD", "PYTHONPATH", "SD_BENCH_LOCK_DIR", "TMPDIR"),
}
_REPOSITORY = Path(__file__).parents[2]


def why_fresh(
    begun_with: Mapping[str, str], environment: Mapping[str, str], but: Mapping[str, str]
) -> str | None:
    """Why a process with this ``environment`` cannot be forked by a server, or None if it can.

    The server was ``begun_with`` its own, of which the process may lack what is in ``but``.
    """
    for name in {*begun_with, *environment} - _READ_LATE:
        if name.startswith("PYTEST_"):
            continue
        is_left_out = name in but and name not in environment
        if not is_left_out and environment.get(name) != begun_with.get(name):
            return f"{name} is read as Python or a library starts"
    for entry in entries(environment):
        if entry not in entries(begun_with) and not _adds_no_package(Path(entry)):
            return f"{entry} may hold other packages"
    return None


def entries(environment: Mapping[str, str]) -> list[str]:
    """The folders of PYTHONPATH."""
    return list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))


def _adds_no_package(folder: Path) -> bool:
    if folder == _REPOSITORY:
        return True
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return names - {"__pycache__"} == {"sitecustomize.py"}


class Server:
    """The end of a server's socket at which processes are asked for."""

    def __init__(self, asking: socket.socket, begun_with: Mapping[str, str]) -> None:
        self._socket = asking
        self.begun_with = begun_with

    def begin(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        folder: Path,
        files: Mapping[int, int],
        *,
        is_command: bool,
    ) -> int:
        """Have ``python ARGUMENT...`` forked, and give its number.

        ``files`` are ours, by the numbers that they will have there. A command stays the server's
        child, and `ended` gives its exit code. Any other begins a session and becomes a child of
        this process, which must be the server's parent and take in orphans.
        """
        request = {
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder),
            "numbers": list(files),
            "is_command": is_command,
        }
        socket.send_fds(self._socket, [json.dumps(request).encode()], list(files.values()))
        return self._hear()

    def ended(self, timeout: float | None = None) -> int | None:
        """The exit code of the last command, negative for a signal; None if it is late."""
        ready, _, _ = select.select([self._socket], [], [], timeout)
        return self._hear() if ready else None

    def close(self) -> None:
        self._socket.close()

    def _hear(self) -> int:
        if not (said := self._socket.recv(100)):
            raise RuntimeError("the warm server has died; what it printed is above")
        return int(said)
