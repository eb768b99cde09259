"""A Python that has imported what our commands do, and forks a process for each: it is warm.

``python -m tests.support.warm_server FD`` forks, at each request that comes through the socket FD,
what ``python -m MODULE ARGUMENT...`` would start, with the folder, the variables and the open files
that are asked for. A command has a server of its own, from before it began: the rounds' processes
that it starts are forked from that, and are its children as if it had started them itself.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from fcntl import F_DUPFD, F_DUPFD_CLOEXEC, fcntl
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

from sd_bench.execution import fork_server, processes
from tests.support.warm_requests import Server, entries, why_fresh

_MODULES = ("sd_bench.cli.command", "sd_bench.cli.help_text", "hydra_plugins.sd_bench_launcher")
_LONGEST_REQUEST = 2**20
_MOST_FILES = 16
#: From here on upwards lie the files that no command knows of.
_HIGH = 500
_PR_SET_CHILD_SUBREAPER = 36


def main(fd: int) -> NoReturn:
    begun_with = dict(os.environ)
    for name in _MODULES:
        importlib.import_module(name)
    fork_server._import_all()
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == 1, f"importing started {threads - 1} threads, which no forked process has"
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=fd), begun_with)


def _serve(asked: socket.socket, begun_with: dict[str, str]) -> NoReturn:
    """Fork for each request, until whoever asks is no more."""
    libraries = sys.path[1 + len(entries(begun_with)) :]
    while True:
        try:
            message, files, _, _ = socket.recv_fds(asked, _LONGEST_REQUEST, _MOST_FILES)
        except ConnectionError:
            message = b""
        if not message:
            os._exit(0)
        request = json.loads(message)
        child = os.fork()
        if child == 0:
            try:
                _prepare(request, files, asked, begun_with, libraries)
            except BaseException as error:
                os.write(2, f"warm server: {error!r}\n".encode())
                os._exit(99)
            _run(request["arguments"][1])
        for file in files:
            os.close(file)
        if not request["is_command"]:  # the child has left its own child to our parent
            os.waitpid(child, 0)
            continue
        asked.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        with suppress(OSError):
            asked.send(str(os.waitstatus_to_exitcode(status)).encode())


def _prepare(
    request: dict[str, Any],
    files: list[int],
    asked: socket.socket,
    begun_with: dict[str, str],
    libraries: list[str],
) -> None:
    """Become the process that the request is for, up to its first line of Python."""
    if request["is_command"]:
        _start_rounds_from(_fork_a_server(asked, files, begun_with))
    else:
        _leave_to_the_reaper()
        asked.send(str(os.getpid()).encode())
        os.setsid()
    asked.close()
    _take_files(files, request["numbers"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    atexit._clear()
    sys.path[:] = [request["folder"], *entries(os.environ), *libraries]
    sys.orig_argv = [sys.executable, *request["arguments"]]
    sys.argv = request["arguments"][1:]


def _fork_a_server(asked: socket.socket, files: list[int], begun_with: dict[str, str]) -> Server:
    """A server that is as this process is now, whose processes this one takes in."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        for file in (*files, ours.fileno(), asked.fileno()):
            os.close(file)
        _serve(theirs, begun_with)
    theirs.close()
    high = socket.socket(fileno=fcntl(ours.fileno(), F_DUPFD_CLOEXEC, _HIGH))
    ours.close()
    return Server(high, begun_with)


def _leave_to_the_reaper() -> None:
    """Go on as a child of the server's parent, which takes in orphans."""
    between = os.getpid()
    if os.fork() != 0:
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.0002)


def _take_files(files: list[int], numbers: list[int]) -> None:
    """Have the files under these numbers, and Python's streams on the first three of them."""
    high = [fcntl(file, F_DUPFD, _HIGH) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(high, numbers, strict=True):
        os.dup2(file, number)
        os.close(file)
    given = io.FileIO(0, closefd=False)
    sys.stdin = io.TextIOWrapper(
        io.BufferedReader(given), encoding=sys.stdin.encoding, errors=sys.stdin.errors
    )
    sys.stdout = _stream(1, sys.stdout)
    sys.stderr = _stream(2, sys.stderr)


def _stream(number: int, begun_with: Any) -> io.TextIOWrapper:
    """The stream to another file that Python begins with: PYTHONUNBUFFERED is heard once."""
    raw = io.FileIO(number, "w", closefd=False)
    buffer: Any = raw if begun_with.write_through else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer,
        encoding=begun_with.encoding,
        errors=begun_with.errors,
        line_buffering=begun_with.line_buffering,
        write_through=begun_with.write_through,
    )


def _run(module: str) -> NoReturn:
    """What ``python -m MODULE`` does, and how it ends; the libraries are not taken apart."""
    code = 1
    try:
        for entry in entries(os.environ):
            if (file := Path(entry) / "sitecustomize.py").is_file():
                runpy.run_path(str(file))
        sys.modules.pop(module, None)  # as where nothing has imported it
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 120  # as Python ends where its output goes nowhere
    os._exit(code & 0xFF)


class _Process:
    """As much of subprocess.Popen as a round's process needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        return self._wait(0)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid != 0:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _start_rounds_from(server: Server) -> None:
    """Have the rounds' processes of this command forked by ``server``, where they can be."""

    def start(
        command: list[str],
        *,
        stdin: int,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        pass_fds: tuple[int, ...],
        env: dict[str, str],
        start_new_session: bool,
    ) -> subprocess.Popen[bytes] | _Process:
        if command[0] != sys.executable or why_fresh(server.begun_with, env, {}) is not None:
            return subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds, env=env,
                start_new_session=start_new_session,
            )  # fmt: skip
        out = stdout if isinstance(stdout, int) else stdout.fileno()
        with Path(os.devnull).open("rb") as nothing:
            given = nothing.fileno() if stdin == subprocess.DEVNULL else stdin
            files = {0: given, 1: out, 2: out, **{number: number for number in pass_fds}}
            return _Process(server.begin(command[1:], env, Path.cwd(), files, is_command=False))

    names = {"Popen": start, "DEVNULL": subprocess.DEVNULL, "STDOUT": subprocess.STDOUT}
    processes.subprocess = SimpleNamespace(**names)  # type: ignore[attr-defined,assignment]


if __name__ == "__main__":
    main(int(sys.argv[1]))
