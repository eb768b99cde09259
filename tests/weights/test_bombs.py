"""Checkpoints that would take unlimited time and memory are refused in under 2 s and 200 MB."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bombs import BOMBS
from tests.support.commands import REPOSITORY

#: Opens each checkpoint in one process with limited memory, and prints the results.
PROBE = """
import resource, sys, time
from pathlib import Path
from sd_bench.config.conversion import known_models
from sd_bench.errors import WeightsError
from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.checkpoint_fit import check_fits
models = known_models()
for name in sys.argv[1:]:
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 200_000_000, resource.RLIM_INFINITY))
    began = time.process_time()
    try:
        check_fits(open_checkpoint(Path(name)), models[0], models)
        message = "accepted"
    except WeightsError as error:
        message = str(error)
    except BaseException as error:
        message = "ESCAPED " + type(error).__name__
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(f"{time.process_time() - began:.2f}", message)
"""


def probe(*paths: Path) -> list[tuple[float, str]]:
    """CPU seconds and message of each checkpoint."""
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, *map(str, paths)], capture_output=True, text=True,
        timeout=200, cwd=REPOSITORY,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    lines = ran.stdout.splitlines()
    assert len(lines) == len(paths), ran.stdout
    return [(float(seconds), message) for seconds, _, message in (x.partition(" ") for x in lines)]


@pytest.mark.slow
def test_each_bomb_is_refused_in_two_seconds_and_200_mb(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{number}.ckpt" for number, name in enumerate(BOMBS)}
    for name, path in paths.items():
        BOMBS[name](path)
    for (name, path), (seconds, message) in zip(paths.items(), probe(*paths.values()), strict=True):
        assert message.startswith(f"{path}: "), f"{name}: {message}"
        assert seconds < 2, f"{name}: {seconds} s"
        assert len(message) < 500, name
        assert message.isprintable(), name


@pytest.mark.timeout(30)
def test_a_pipe_a_device_and_a_socket_are_not_files_of_weights(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ckpt")
    (tmp_path / "link.safetensors").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        kinds = {"pipe.ckpt": "a pipe", "link.safetensors": "a device", "s": "a socket"}
        answers = probe(*(tmp_path / name for name in kinds))
    for (name, kind), (_, message) in zip(kinds.items(), answers, strict=True):
        assert message == f"{tmp_path / name}: is {kind}, not a file"
