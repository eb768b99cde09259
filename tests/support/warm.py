"""``python -m MODULE`` for tests, without the seconds in which it imports torch and Hydra.

A server imports them once, and forks a real process for each command. What it would be wrong to
fork gets a fresh interpreter: ``warm_requests.why_fresh`` says what that is.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

from sd_bench.capabilities.composition import compose_config
from tests.support.warm_requests import Server, why_fresh

_REPOSITORY = Path(__file__).parents[2]
_AT_START = dict(os.environ)


def run_python(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGUMENT...`` as subprocess.run would, what it prints captured as text."""
    done = run_warm(*arguments, folder=folder, environment=environment, timeout=timeout)
    if done is None:
        done = run_fresh(*arguments, folder=folder, environment=environment, timeout=timeout)
    return done


def run_fresh(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=dict(environment), timeout=timeout,
        capture_output=True, text=True,
    )  # fmt: skip


def run_warm(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str] | None:
    """As `run_python`, of a process that is forked; None for what needs a fresh interpreter."""
    kept = _variables_that_keep_memory()
    if sys.platform != "linux" or why_fresh(_begun_with(), environment, kept) is not None:
        return None
    server = _server()
    with (
        Path(os.devnull).open("rb") as nothing,
        TemporaryFile("w+") as out,
        TemporaryFile("w+") as error,
    ):
        files = {0: nothing.fileno(), 1: out.fileno(), 2: error.fileno()}
        pid = server.begin(list(arguments), environment, folder, files, is_command=True)
        code = server.ended(timeout)
        if code is None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            server.ended()
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        out.seek(0)
        error.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read(), error.read())


@cache
def _variables_that_keep_memory() -> dict[str, str]:
    """What a round on a CPU begins with: glibc reads it once, as a process starts."""
    return dict(compose_config("gpu=cpu").allocator.variables)


@cache
def _begun_with() -> dict[str, str]:
    return {**_AT_START, **_variables_that_keep_memory(), "OMP_NUM_THREADS": "1"}


@cache
def _server() -> Server:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm_server", str(theirs.fileno())],
            cwd=_REPOSITORY, env=_begun_with(), pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    atexit.register(_end, process, ours)
    return Server(ours, _begun_with())


def _end(process: subprocess.Popen[bytes], ours: socket.socket) -> None:
    ours.close()
    process.wait()
