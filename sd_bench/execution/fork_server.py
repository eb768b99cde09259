"""A server that has imported all that a round needs, and forks a process for each round.

``python -m sd_bench.execution.fork_server FD``: FD is a socket to the launcher, which sends the
request, the output and the report pipe of a round as open files. The server answers in JSON: once
``{"ready": seconds}``, the time of importing, or ``{"cannot": reason}``; then for each round
``{"pid": number}`` as soon as its process leads a process group, and ``{"ended": exit code}``,
negative for a signal. It reaps the process when the launcher acknowledges that, so that the number
is not reused before.
"""

from __future__ import annotations

import time

_STARTED = time.perf_counter()

import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NoReturn  # noqa: E402

from sd_bench.execution import worker  # noqa: E402
from sd_bench.execution.address_layout import shift_addresses  # noqa: E402
from sd_bench.execution.shared_pages import copy_shared_pages  # noqa: E402

#: The modules that every round imports. Not xFormers, whose import touches the device, and nothing
#: that only compiled cells need: their rounds import those.
_MODULES = (
    "torch",
    "sd_bench.measurement.environment_facts",
    "sd_bench.measurement.flops",
    "sd_bench.measurement.output_files",
    "sd_bench.measurement.round",
    "sd_bench.measurement.round_warnings",
    "sd_bench.networks.attention_probe",
    "sd_bench.implementations.ours",
    "sd_bench.sampling.inputs",
)
_NUM_FILES = 3


def main(socket_fd: int) -> None:
    """Serve until the launcher closes its end of the socket, or dies."""
    worker.die_with_parent()
    launcher = socket.socket(fileno=socket_fd)
    launcher.set_inheritable(False)
    _import_all()
    why = why_not_to_fork()
    if why is not None:
        _tell(launcher, {"cannot": why})
        return
    _tell(launcher, {"ready": time.perf_counter() - _STARTED})
    while files := _receive(launcher):
        _measure(launcher, files)


def _import_all() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    from sd_bench.sampling.tokens import tokenizer_of

    for library in ("open_clip", "transformers"):
        tokenizer_of(library)


def why_not_to_fork() -> str | None:
    """Why a process forked from this one would not be as good as a fresh one, or None.

    Only the thread that forks exists in the child; a library's pool of threads is lost. Some
    libraries (numpy's OpenBLAS) end their pool when the process forks, so threads are counted after
    a first fork.
    """
    pid = os.fork()
    if pid == 0:
        try:
            copy_shared_pages()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if number := os.waitstatus_to_exitcode(status):
        why = os.strerror(number) if number > 0 else "it was killed"
        return f"a forked process cannot copy its shared memory in advance (Linux 5.14 can): {why}"
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        return f"importing started {threads - 1} threads, which a forked process would lack"
    devices = sorted({name for name in _open_files() if name.startswith("/dev/nvidia")})
    if devices:
        return f"importing opened {', '.join(devices)}, which a forked process cannot use"
    return None


def _open_files() -> list[str]:
    names = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(link.readlink()))
        except OSError:  # the descriptor of this listing, closed by now
            continue
    return names


def _receive(launcher: socket.socket) -> list[int]:
    """The open files of the next round; empty if there is none."""
    try:
        _, files, _, _ = socket.recv_fds(launcher, 1, _NUM_FILES)
    except ConnectionError:
        return []
    return files


def _measure(launcher: socket.socket, files: list[int]) -> None:
    server, began = os.getpid(), time.perf_counter()
    pid = os.fork()
    if pid == 0:
        _become_worker(launcher, files, server, began)
    for file in files:
        os.close(file)
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    was_killed = ended.si_code != os.CLD_EXITED
    _tell(launcher, {"ended": -ended.si_status if was_killed else ended.si_status})
    launcher.recv(1)
    os.waitpid(pid, 0)


def _become_worker(
    launcher: socket.socket, files: list[int], server: int, began: float
) -> NoReturn:
    try:
        worker.die_with_parent()
        if os.getppid() != server:  # the server died before that took effect
            os._exit(1)
        os.setsid()
        request, log, report = files
        for file, number in ((request, 0), (log, 1), (log, 2)):
            os.dup2(file, number)
        os.close(request)
        os.close(log)
        _tell(launcher, {"pid": os.getpid()})
        launcher.close()
        copy_shared_pages()
        shift_addresses()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    worker.run(began, report)


def _tell(launcher: socket.socket, message: dict[str, Any]) -> None:
    launcher.send(json.dumps(message).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
