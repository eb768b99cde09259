"""Kill sweeps repeatedly at random moments, and check that resuming loses nothing.

    python -m tests.execution.kill_test --moments 100 [--seed 0] [--worker spawn]

Small sweeps run one after another. Each is ended by SIGKILL to the whole tree of processes at
seeded moments, and started again with resume, until it is done. Some moments are times after the
start; others are while or just after a record is written.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from sd_bench.config.schema import WORKERS
from sd_bench.execution.sweep_folder import CLAIM
from sd_bench.records import RecordError, find_records, read_record
from sd_bench.records.sweep_file import is_sweep

REPOSITORY = Path(__file__).parents[2]
CELLS, ROUNDS = 2, 2
MATRIX = (
    "-m", "gpu=cpu", "model_version=sd2_tiny", "workload.height=64", "workload.width=64",
    "attention=original,math", "sampler.steps=1", "protocol=smoke", f"protocol.rounds={ROUNDS}",
)  # fmt: skip
#: The files that a kill may wait for, by what has just been written then.
EVENTS = {
    "half a record": ".round-*.tmp",
    "a new record": "round-*.json",
    "new latents": "round-*-latents.npy",
}
#: Longer than a round of such a sweep takes, from its start to its record.
LONGEST_WAIT_S = 8.0


@dataclass
class Watched:
    """A sweep's folder, and the records that were seen complete in it."""

    folder: Path
    mark: str
    worker: str
    to_resume: tuple[str, ...] = ("resume=true",)
    seen: dict[Path, bytes] = field(default_factory=dict)
    before: dict[str, set[tuple[Path, int]]] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command that begins or resumes the sweep."""
        self.before = {pattern: stamped(self.folder, pattern) for pattern in EVENTS.values()}
        times = f"time_file={self.times}"
        begin = (*MATRIX, f"protocol.worker={self.worker}", times)
        how: tuple[str, ...] = (*self.to_resume, times) if is_sweep(self.folder) else begin
        if not is_sweep(self.folder) and any(self.folder.rglob(CLAIM)):
            how = (*begin, *self.to_resume)
        return subprocess.Popen(
            [sys.executable, "-m", "sd_bench", *how, f"hydra.sweep.dir={self.folder}"],
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "SD_BENCH_KILL_TEST": self.mark, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    @property
    def times(self) -> Path:
        """The file that has one line per record."""
        return self.folder.with_name(f"{self.folder.name}.txt")

    def has_new(self, pattern: str) -> bool:
        """Whether a file that matches ``pattern`` has been written since the start."""
        return not stamped(self.folder, pattern) <= self.before[pattern]

    def check(self) -> None:
        """Raises AssertionError if a record is incomplete, or an earlier record has changed."""
        now = {path: path.read_bytes() for path in find_records(self.folder)}
        results = {}
        for path, content in now.items():
            try:
                if read_record(path).status == "ok":
                    results[path] = content
            except RecordError as error:
                raise AssertionError(f"torn: {error}") from error
        for path, content in self.seen.items():
            assert now.get(path) == content, f"lost or changed: {path}"
        self.seen = results

    def check_complete(self) -> None:
        """Raises AssertionError unless each cell and round has one record, without leftovers."""
        self.check()
        records = [read_record(path) for path in find_records(self.folder)]
        rounds = Counter((record.cell_hash, record.round) for record in records)
        assert len(rounds) == CELLS * ROUNDS == len(records), rounds
        runtimes = sorted(str(record.runtime_s) for record in records)
        assert sorted(self.times.read_text().splitlines()) == runtimes
        assert {record.status for record in records} == {"ok"}, [r.reason for r in records]
        assert sorted(record.position for record in records) == list(range(CELLS * ROUNDS))
        assert len({record.environment["fingerprint"] for record in records}) == 1
        for path, record in zip(self.seen, records, strict=True):
            assert record.output is not None
            assert record.output.latents_file is not None
            latents = np.load(path.parent / record.output.latents_file)
            assert hashlib.sha256(latents.tobytes()).hexdigest() == record.output.latents_sha256
        litter = [p.name for p in self.folder.rglob("*") if p.suffix in (".tmp", ".log")]
        assert litter == [], litter
        assert not list(self.folder.rglob("unreadable-*"))


def stamped(folder: Path, pattern: str) -> set[tuple[Path, int]]:
    """The files of the cells that match ``pattern``, with their modification times."""
    found = set()
    for path in folder.glob(f"[0-9]*/{pattern}"):
        with suppress(FileNotFoundError):  # it was renamed or removed
            found.add((path, path.stat().st_mtime_ns))
    return found


def moments(randomness: random.Random) -> Iterator[tuple[str, Callable[[Watched], bool]]]:
    """Endlessly: what to wait for before the next kill, by name. Half of them are times."""
    while True:
        yield _after(randomness.uniform(0, LONGEST_WAIT_S))
        name = randomness.choice(sorted(EVENTS))
        yield name, partial(Watched.has_new, pattern=EVENTS[name])


def _after(seconds: float) -> tuple[str, Callable[[Watched], bool]]:
    """A function that is true ``seconds`` after its first call."""
    asked: list[float] = []

    def is_due(_: Watched) -> bool:
        asked.append(time.monotonic())
        return asked[-1] >= asked[0] + seconds

    return f"{seconds:.2f} s", is_due


def tree(mark: str) -> list[int]:
    """The processes of a sweep: those whose environment holds ``mark``."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it may have ended, or belong to another user
            if f"SD_BENCH_KILL_TEST={mark}\0".encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


def kill_tree(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
    """SIGKILL to all, the launcher first: it would otherwise record that its worker died.

    Returns what was printed until then.
    """
    launcher.kill()
    deadline = time.monotonic() + 30
    while processes := tree(mark):
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert time.monotonic() < deadline, f"still there: {processes}"
    return launcher.communicate()[0]


def run(
    folder: Path,
    num_moments: int,
    seed: int,
    worker: str,
    say: Callable[[str], None],
    end: Callable[[subprocess.Popen[bytes], str], bytes] = kill_tree,
    to_resume: tuple[str, ...] = ("resume=true",),
) -> int:
    """Kill sweeps at ``num_moments`` moments; returns the number of sweeps, all complete.

    ``end`` ends a launcher whose processes have a mark, and returns what it printed; ``to_resume``
    are the arguments that resume the sweep. Raises AssertionError if a record was lost, torn or
    left out.
    """
    waiting = moments(random.Random(seed))
    killed = sweeps = 0
    while killed < num_moments:
        mark = f"{os.getpid()}-{sweeps}"
        watched = Watched(folder / str(sweeps), mark, worker, to_resume)
        is_done = False
        while not is_done:
            name, is_due = next(waiting) if killed < num_moments else ("its end", lambda _: False)
            launcher = watched.start()
            while launcher.poll() is None and not is_due(watched):
                time.sleep(0.0005)
            if launcher.poll() is None:
                end(launcher, watched.mark)
                killed += 1
                watched.check()
                say(f"{killed:4} sweep {sweeps}, at {name}: {len(watched.seen)} record(s)")
            else:
                output, _ = launcher.communicate()
                assert launcher.returncode == 0, output.decode()
                is_done = True
        watched.check_complete()
        sweeps += 1
        say(f"     sweep {sweeps - 1} is complete")
    return sweeps


def main() -> None:
    """Run the command; the exit code is 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description="Kill sweeps at random moments, and resume them.")
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", choices=WORKERS, default="spawn")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        sweeps = run(Path(folder), options.moments, options.seed, options.worker, print)
    print(
        f"{options.moments} kills, {sweeps} sweeps of {CELLS * ROUNDS} rounds complete, none lost "
        f"or torn, in {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
