"""The launcher's handles of a round's process: spawned, or forked by a server.

Both have ``kind``, ``files``, ``poll`` and ``end``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

#: Seconds that a server may take to report the end of a killed process.
_ANSWER_LIMIT_S = 10.0
#: The number of rounds after which a server is replaced. Its rounds share the addresses of all that
#: was imported, which are a matter of chance and change how fast a call is.
ROUNDS_OF_A_SERVER = 4
#: The number of idle servers to keep; each holds some hundreds of MB.
_MOST_IDLE = 4

#: The most characters of a server's last line that are shown.
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFiles:
    """The open files of a round's process: its stdin, its stdout and stderr, its report pipe."""

    request: int
    output: int
    report: int


@dataclass(frozen=True, slots=True)
class StartUp:
    """The interpreter and environment variables of a process; a server serves one combination."""

    executable: str
    environment: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, executable: str, environment: Mapping[str, str]) -> StartUp:
        return cls(executable, frozenset(environment.items()))


class ServerLostError(Exception):
    """A server has died or refuses to fork; the message says why. The round has no process."""


class SpawnedProcess:
    """A fresh interpreter."""

    kind = "spawn"

    def __init__(self, start_up: StartUp, files: RoundFiles) -> None:
        self._process = subprocess.Popen(
            [start_up.executable, "-m", "sd_bench.execution.worker"],
            stdin=files.request,
            stdout=files.output,
            stderr=subprocess.STDOUT,
            pass_fds=(files.report,),
            env=dict(start_up.environment),
            start_new_session=True,
        )
        self._end_fd = _watch_end(self._process.pid)

    @property
    def files(self) -> list[int]:
        """A file descriptor that becomes readable when the process ends, if the system has one."""
        return [] if self._end_fd is None else [self._end_fd]

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def end(self) -> int:
        """End and reap the process group, compile helpers included; return the exit code."""
        _kill_group(self._process.pid)
        if self._end_fd is not None:
            os.close(self._end_fd)
            self._end_fd = None
        return self._process.wait()


class ForkServer:
    """A server's process, and the process that it forked last; it forks one at a time."""

    kind = "fork"

    def __init__(self, start_up: StartUp) -> None:
        self.start_up = start_up
        self.import_s = 0.0
        self.is_ready = False
        self._rounds_left = ROUNDS_OF_A_SERVER
        self._why_lost: str | None = None
        self._pid: int | None = None
        self._exit_code: int | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        with theirs:
            self._process = subprocess.Popen(
                [start_up.executable, "-m", "sd_bench.execution.fork_server",
                 str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output,
                pass_fds=(theirs.fileno(),),
                env=dict(start_up.environment),
                start_new_session=True,
            )  # fmt: skip

    def begin(self, files: RoundFiles) -> None:
        """Ask for a process, which is forked once all is imported. Raises ServerLostError."""
        self._pid = self._exit_code = None
        self._rounds_left -= 1
        try:
            socket.send_fds(self._socket, [b"."], [files.request, files.output, files.report])
        except OSError:
            raise ServerLostError("the server that forks rounds had died") from None

    @property
    def files(self) -> list[int]:
        """A file descriptor that becomes readable when the process or the server ends."""
        return [self._socket.fileno()]

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs. Raises ServerLostError."""
        self._hear()
        if self._exit_code is None and self._why_lost is not None:
            raise ServerLostError(self._why_lost)
        return self._exit_code

    def end(self) -> int:
        """End the round's process group, and the server if it does not answer; the exit code."""
        if self._pid is not None:
            _kill_group(self._pid)
            self._wait_for_its_end()
        if self._exit_code is None:
            self.close()
            return -signal.SIGKILL
        with suppress(OSError):
            self._socket.send(b".")  # now the server may reap it
        return self._exit_code

    def close(self) -> None:
        """End the server; a process that it has forked dies with it."""
        if self._process.returncode is None:
            _kill_group(self._process.pid)
            self._process.wait()
        self._why_lost = self._why_lost or "the server that forks rounds was ended"
        self._socket.close()
        self._output.close()

    @property
    def is_usable(self) -> bool:
        """Whether it is alive and has rounds left."""
        return self._rounds_left > 0 and self._why_lost is None and self._process.poll() is None

    def _last_line(self) -> str:
        """The server's last line of output, or an empty string."""
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LONGEST_LINE]

    def _wait_for_its_end(self) -> None:
        until = time.monotonic() + _ANSWER_LIMIT_S
        self._hear()
        while self._exit_code is None and self._why_lost is None:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            select.select([self._socket], [], [], left_s)
            self._hear()

    def _hear(self) -> None:
        while self._why_lost is None:
            try:
                data = self._socket.recv(4096)
            except BlockingIOError:
                return
            except ConnectionResetError:  # raised once if it died with unread messages
                continue
            except OSError:
                data = b""
            if not data:
                when = "after" if self.is_ready else "before"
                last = f": {line}" if (line := self._last_line()) else ""
                self._why_lost = f"the server that forks rounds died {when} it was ready{last}"
                return
            message = json.loads(data)
            if "ready" in message:
                self.is_ready, self.import_s = True, message["ready"]
            elif "cannot" in message:
                self._why_lost = message["cannot"]
            elif "pid" in message:
                self._pid = message["pid"]
            else:
                self._exit_code = message["ended"]


class ForkServers:
    """The servers of a sweep, each for one start-up; all end with the context."""

    def __init__(self) -> None:
        self._all: list[ForkServer] = []
        self._idle: list[ForkServer] = []
        self._refusals: dict[StartUp, str] = {}

    def __enter__(self) -> ForkServers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for server in self._all:
            server.close()

    @property
    def import_s(self) -> float:
        """The sum of the servers' seconds of importing."""
        return sum(server.import_s for server in self._all)

    def take(self, start_up: StartUp) -> ForkServer | str:
        """A free server for ``start_up``, or the reason why its rounds cannot be forked."""
        if sys.platform != "linux":
            return "only Linux has what a fork server needs"
        if (refusal := self._refusals.get(start_up)) is not None:
            return refusal
        for server in [server for server in self._idle if server.start_up == start_up]:
            self._idle.remove(server)
            if server.is_usable:
                return server
            server.close()
        server = ForkServer(start_up)
        self._all.append(server)
        return server

    def give_back(self, server: ForkServer) -> None:
        """Take a server back whose round is over."""
        if not server.is_usable:
            server.close()
            return
        self._idle.append(server)
        while len(self._idle) > _MOST_IDLE:
            self._idle.pop(0).close()

    def give_up(self, server: ForkServer, why: str) -> None:
        """Close a lost server; if it was never ready, no other is started for its start-up."""
        if not server.is_ready:
            self._refusals[server.start_up] = why
        server.end()
        server.close()


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _watch_end(pid: int) -> int | None:
    """A file descriptor that becomes readable when the process ends, or None if unsupported.

    The end of its pipes is not enough: a child that the worker leaves behind may hold them open.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
