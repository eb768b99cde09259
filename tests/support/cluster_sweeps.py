"""A sweep of tiny cells on a scheduler of this machine: start, disturb and check it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sd_bench.execution.folder_claim import CLAIM_FILE
from sd_bench.records import Record, find_records, read_record
from tests.support.commands import REPOSITORY
from tests.support.slurm import wait_for

SITES = Path(__file__).with_name("site")
CELLS, ROUNDS = 2, 4
_TINY = (
    "model_version=sd2_tiny", "workload.height=64", "workload.width=64", "images=false",
    "sampler.steps=1",
)  # fmt: skip
_LIMIT_S = 120


class ClusterSweep:
    """A sweep in ``folder``, each of whose rounds adds a line to a file of times.

    ``where`` are the arguments that choose the scheduler; ``environment`` are the variables for
    finding it.
    """

    def __init__(self, folder: Path, where: Sequence[str], environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.folder = folder / "sweep"
        self._times = folder / "times.txt"
        self._started: list[subprocess.Popen[str]] = []
        self._where = (
            *where,
            f"hydra.searchpath=[file://{SITES}]",
            f"time_file={self._times}",
            f"hydra.sweep.dir={self.folder}",
        )

    def start(self, *arguments: str, rounds: int = ROUNDS) -> subprocess.Popen[str]:
        """Submit two cells for each node named in the arguments (``gpu=node_t4``)."""
        matrix = ("-m", "attention=math,flash", "protocol=smoke", "protocol.worker=fork")
        return self._run(*matrix, *_TINY, f"protocol.rounds={rounds}", *arguments)

    def resume(self, *arguments: str) -> subprocess.Popen[str]:
        return self._run("resume=true", *arguments)

    def _run(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "sd_bench", *self._where, *arguments],
            cwd=REPOSITORY, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], code: int = 0) -> str:
        """Wait until a command ends; returns its output. Raises AssertionError on another code."""
        out, err = process.communicate(timeout=_LIMIT_S)
        assert process.returncode == code, out + err + self.logs()
        return out + err

    def logs(self) -> str:
        return "\n".join(p.read_text() for p in sorted(self.folder.glob(".groups/*/*_log.*")))

    def status(self, *arguments: str) -> dict[str, Any]:
        """The output of ``python -m sd_bench status --json``."""
        answer = subprocess.run(
            [sys.executable, "-m", "sd_bench", "status", str(self.folder), "--json", *arguments],
            cwd=REPOSITORY, env=self.environment, capture_output=True, text=True,
            timeout=_LIMIT_S, check=True,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def jobs(self) -> list[str]:
        """The ids of all jobs that were submitted."""
        files = sorted(self.folder.glob(".groups/*/jobs.json"))
        return [job["id"] for file in files for job in json.loads(file.read_text())]

    def num_records(self) -> int:
        return len(list(find_records(self.folder)))

    def wait_for_records(self, number: int = 1) -> dict[Path, bytes]:
        """The records, once there are so many. Raises AssertionError if the command fails."""

        def are_there() -> bool:
            if self._started[-1].poll() in (1, 2):
                self.finish(self._started[-1])
            return self.num_records() >= number

        wait_for(are_there, f"{number} record(s)", _LIMIT_S)
        return {path: path.read_bytes() for path in find_records(self.folder)}

    def check_complete(
        self, before: dict[Path, bytes], machines: int = 1, rounds: int = ROUNDS
    ) -> list[Record]:
        """Raises AssertionError unless every round of every cell was measured once and is ok.

        ``before`` are earlier records, which must not have changed.
        """
        for path, content in before.items():
            assert path.read_bytes() == content, path
        records = [read_record(path) for path in find_records(self.folder)]
        assert {record.status for record in records} == {"ok"}, [r.reason for r in records]
        counts = Counter((r.cell_hash, r.round, r.sweep) for r in records)
        assert len(counts) == len(records) == machines * CELLS * rounds, counts
        runtimes = sorted(str(record.runtime_s) for record in records)
        assert sorted(self._times.read_text().splitlines()) == runtimes
        assert not list(self.folder.rglob(f"{CLAIM_FILE}*")), "a claim is left"
        litter = [p for p in self.folder.rglob("*") if p.suffix in (".tmp", ".log")]
        assert not [p for p in litter if ".groups" not in p.parts], litter
        return records

    def end(self) -> None:
        """Stop everything that still runs."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()


def ended_by_ctrl_c(process: subprocess.Popen[str]) -> str:
    """The standard error of a command that Ctrl-C ends."""
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=_LIMIT_S)
    assert process.returncode == 130, err
    return err
