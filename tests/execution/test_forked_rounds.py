"""Rounds forked from a server: as good as fresh processes, and never worse off."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sd_bench.config.checks import check
from sd_bench.errors import ConfigError
from sd_bench.execution.processes import (
    ForkServer,
    ForkServers,
    RoundFiles,
    ServerLostError,
    StartUp,
)
from tests.support.commands import REPOSITORY, SMOKE, Command, Inject, records
from tests.support.composition import Compose

#: Ends the server in round 1, and prints during the timed iteration of round 2.
_FAULTS = """\
import json, os, signal, time
asked = json.loads(os.pread(0, 2**20, 0))
if asked["round"] == 1 and asked["worker"]["kind"] == "fork":
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(99)
if asked["round"] == 2:
    from sd_bench.networks.autoencoder import Autoencoder
    decode = Autoencoder.decode
    def printing(self, latents):
        os.write(1, b"onednn_verbose,exec,cpu\\n")
        return decode(self, latents)
    Autoencoder.decode = printing
"""


@pytest.mark.slow
def test_a_lost_server_costs_no_round_and_the_kernel_is_proven_once_per_kind_of_process(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject(_FAULTS)
    forked = ("protocol.worker=fork", "protocol.rounds=3")
    done = command(*SMOKE, *forked, "attention=original")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, third = sorted(records(tmp_path), key=lambda record: record.round)
    assert {r.status for r in (first, second, third)} == {"ok"}
    assert first.environment["worker"] == third.environment["worker"] == {"kind": "fork"}
    reason = "the server that forks rounds died after it was ready"
    assert second.environment["worker"] == {"kind": "spawn", "reason": reason}
    assert len({r.environment["fingerprint"] for r in (first, second, third)}) == 1
    assert len({r.output.latents_sha256 for r in (first, second, third) if r.output}) == 1

    proofs = [r.kernel_proof for r in (first, second, third)]
    assert [p and (p.proven, p.read_from) for p in proofs] == [
        (True, None), (True, None), (True, "round-0.json"),
    ]  # fmt: skip
    assert first.times is not None
    assert second.times is not None
    assert third.times is not None
    assert first.times.proof_s
    assert third.times.proof_s is None
    assert first.times.import_s < second.times.import_s / 2

    assert [i.flags.count("printed") for i in third.times.iterations] == [1]
    assert any(w.startswith("printed, in 1 of 1 timed") for w in third.warnings)
    folder = tmp_path / "sweep" / third.job
    assert (folder / "round-2.log").read_text() == "onednn_verbose,exec,cpu\n"
    assert not (folder / "round-0.log").exists()


def test_what_a_forked_process_would_lack_is_a_reason_not_to_fork() -> None:
    asked = (
        "import threading, time\n"
        "from sd_bench.execution.fork_server import why_not_to_fork\n"
        "print(why_not_to_fork())\n"
        "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
        "print(why_not_to_fork())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    first, second = done.stdout.splitlines()
    assert first == "None"
    assert second == "importing started 1 threads, which a forked process would lack"


def wait(server: ForkServer, files: RoundFiles) -> int:
    server.begin(files)
    while (exit_code := server.poll()) is None:
        select.select(server.files, [], [], 10)
    return exit_code


def sitecustomize(folder: Path, program: str) -> StartUp:
    """A start-up whose interpreter runs ``program`` first."""
    (folder / "sitecustomize.py").write_text(program)
    return StartUp.of(sys.executable, {**os.environ, "PYTHONPATH": str(folder)})


def test_a_server_that_cannot_be_started_is_not_tried_again(tmp_path: Path) -> None:
    start_up = sitecustomize(tmp_path, "import os; os._exit(3)")
    with ForkServers() as servers, tempfile.TemporaryFile() as file:
        server = servers.take(start_up)
        assert isinstance(server, ForkServer)
        files = RoundFiles(request=file.fileno(), output=file.fileno(), report=file.fileno())
        with pytest.raises(ServerLostError, match="died") as lost:
            wait(server, files)
        servers.give_up(server, str(lost.value))
        assert servers.take(start_up) == str(lost.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "told"),
    [
        (
            "import threading, time\n"
            "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n",
            "importing started 1 threads, which a forked process would lack",
        ),
        (
            "import sys\nsys.modules['torch'] = None\n",
            "the server that forks rounds died before it was ready: "
            "ModuleNotFoundError: import of torch halted; None in sys.modules",
        ),
    ],
)
def test_why_a_server_does_not_fork_is_told(tmp_path: Path, program: str, told: str) -> None:
    """The reason arrives although the launcher has requested a round long before.

    The server ends without reading that request, but what it wrote before must still be read.
    """
    with ForkServers() as servers, tempfile.TemporaryFile() as file:
        server = servers.take(sitecustomize(tmp_path, program))
        assert isinstance(server, ForkServer)
        files = RoundFiles(request=file.fileno(), output=file.fileno(), report=file.fileno())
        with pytest.raises(ServerLostError) as lost:
            wait(server, files)
        assert str(lost.value) == told


def test_a_kind_of_worker_that_there_is_not_is_one_line(compose_config: Compose) -> None:
    config = compose_config("gpu=cpu", "protocol.worker=forked")
    with pytest.raises(ConfigError, match=r"protocol.worker=forked: use one of spawn, fork$"):
        check(config)
