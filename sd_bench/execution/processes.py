"""The process that measures a round, as the launcher holds it: spawned, or forked by a server.

Both have the same four: ``kind``, ``files``, ``poll`` and ``end``.
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

#: How long a server may take to tell that a process is over which has been killed.
_ANSWER_LIMIT_S = 10.0
#: Rounds of a server, after which another takes its place. Those of one server share where all that
#: was imported lies in memory, which is a matter of chance and changes how fast a call is.
ROUNDS_OF_A_SERVER = 4
#: Servers that are kept while nothing runs in them; each holds some hundreds of MB.
_MOST_IDLE = 4

#: Characters of a server's last output that are shown.
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFiles:
    """The open files of a round's process: its standard input, its output, its report pipe."""

    request: int
    output: int
    report: int


@dataclass(frozen=True, slots=True)
class StartUp:
    """What a process begins with, and what a server is for: the interpreter and its variables."""

    executable: str
    environment: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, executable: str, environment: Mapping[str, str]) -> StartUp:
        return cls(executable, frozenset(environment.items()))


class ServerLostError(Exception):
    """A server has died, or will not fork, with the reason. The round has no process any more."""


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
        """What becomes readable when the process ends; none where the system has no such thing."""
        return [] if self._end_fd is None else [self._end_fd]

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def end(self) -> int:
        """End the whole process group, compile helpers included, reap it and give the exit code."""
        _kill_group(self._process.pid)
        if self._end_fd is not None:
            os.close(self._end_fd)
            self._end_fd = None
        return self._process.wait()


class ForkServer:
    """A server's process, and the process that it has forked last; it forks one at a time."""

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
        """Have a process forked, as soon as all is imported. Raises ServerLostError."""
        self._pid = self._exit_code = None
        self._rounds_left -= 1
        try:
            socket.send_fds(self._socket, [b"."], [files.request, files.output, files.report])
        except OSError:
            raise ServerLostError("the server that forks rounds had died") from None

    @property
    def files(self) -> list[int]:
        """What becomes readable when the process, or the server, ends."""
        return [self._socket.fileno()]

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs. Raises ServerLostError."""
        self._hear()
        if self._exit_code is None and self._why_lost is not None:
            raise ServerLostError(self._why_lost)
        return self._exit_code

    def end(self) -> int:
        """End the round's process group and give the exit code; the server too if it must be."""
        if self._pid is not None:
            _kill_group(self._pid)
            self._wait_for_its_end()
        if self._exit_code is None:
            self.close()
            return -signal.SIGKILL
        with suppress(OSError):
            self._socket.send(b".")  # now it may be reaped
        return self._exit_code

    def close(self) -> None:
        """End the server, and whatever it has forked dies with it."""
        if self._process.returncode is None:
            _kill_group(self._process.pid)
            self._process.wait()
        self._why_lost = self._why_lost or "the server that forks rounds was ended"
        self._socket.close()
        self._output.close()

    @property
    def is_usable(self) -> bool:
        """Whether it can fork another, and may."""
        return self._rounds_left > 0 and self._why_lost is None and self._process.poll() is None

    def _last_line(self) -> str:
        """The server's last output, if any; mostly from what it imports."""
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
                said = self._socket.recv(4096)
            except BlockingIOError:
                return
            except ConnectionResetError:  # once, before output that we had not read
                continue
            except OSError:
                said = b""
            if not said:
                when = "after" if self.is_ready else "before"
                last = f": {line}" if (line := self._last_line()) else ""
                self._why_lost = f"the server that forks rounds died {when} it was ready{last}"
                return
            message = json.loads(said)
            if "ready" in message:
                self.is_ready, self.import_s = True, message["ready"]
            elif "cannot" in message:
                self._why_lost = message["cannot"]
            elif "pid" in message:
                self._pid = message["pid"]
            else:
                self._exit_code = message["ended"]


class ForkServers:
    """The servers of a sweep, one for each start-up; none outlives the context."""

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
        """Seconds that the servers have imported for, all together."""
        return sum(server.import_s for server in self._all)

    def take(self, start_up: StartUp) -> ForkServer | str:
        """A server that is free, or the reason why rounds are not forked from such a one."""
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
        """Its round is over."""
        if not server.is_usable:
            server.close()
            return
        self._idle.append(server)
        while len(self._idle) > _MOST_IDLE:
            self._idle.pop(0).close()

    def give_up(self, server: ForkServer, why: str) -> None:
        """It was lost. One that was never ready would be lost again."""
        if not server.is_ready:
            self._refusals[server.start_up] = why
        server.end()
        server.close()


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _watch_end(pid: int) -> int | None:
    """A file that becomes readable when the process ends, where the system has such a thing.

    The pipe alone would not tell: a child that the worker leaves behind may hold it open.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
