"""How much of a sweep is not imports, building, warm-up or measured calls?

Runs the six-cell command twice, with few and with more rounds, and adds up what the records account
for. The rest is overhead: once per command (start, composing, counting the work, tables) and once
per round (starting and ending a process, environment facts, saving, drawing). The overhead per
round is the additional overhead of the longer sweep per additional round. The UNet call under the
profiler that proves the kernel counts as a measured call and is shown separately.

The time between two rounds also comes from the records: from one to the next, minus the lifetime of
the worker in between. It does not include waiting for a scheduler, so it can compare one machine
with hydra/launcher=slurm and ray.

    python benchmarks/overhead.py [--rounds 1 3] [OVERRIDES ...]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from sd_bench.execution.time_account import Account
from sd_bench.records import find_records, read_record

SIX_CELLS = ["-m", "batch_size=1,2,4", "attention=flash,math"]


def main() -> None:
    """Run both sweeps and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, nargs=2, default=(1, 3), metavar=("FEW", "MANY"))
    parser.add_argument("overrides", nargs="*", help="overrides of sd_bench that choose the cells")
    options = parser.parse_args()
    measured = [measure(rounds, options.overrides) for rounds in options.rounds]
    (short, _), (long, between_s) = measured
    each_s, once_s = split(short, long)
    for account in (short, long):
        print(f"{account.rounds} rounds, {account.total_s:.1f} s in total, timed from outside:")
        for name, seconds in account.seconds.items():
            each = f"{seconds / account.rounds:7.3f} s a round"
            print(f"{name:13}{seconds:8.1f} s {account.share(name):5.1f} % {each}")
    print(f"overhead: {each_s:.3f} s per round, {once_s:.2f} s per command")
    print(
        f"between two rounds of a job: {statistics.median(between_s):.3f} s (median of "
        f"{len(between_s)}, {min(between_s):.3f} to {max(between_s):.3f})"
    )


def measure(rounds: int, overrides: Sequence[str]) -> tuple[Account, list[float]]:
    """The account of a sweep with ``rounds`` rounds, timed from outside the command.

    Also returns the seconds between successive rounds of a job in which no worker ran.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*SIX_CELLS, f"protocol.rounds={rounds}", f"hydra.sweep.dir={folder}/sweep"]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sd_bench", *arguments, *overrides], check=True)
        total_s = time.perf_counter() - began
        files = list(find_records(Path(folder)))
        records = [read_record(path) for path in files]
        between_s = between_rounds(files)
    account = Account.of(records, total_s)
    if account is None:
        sys.exit("a round has no times: nothing to account for")
    return account, between_s


def between_rounds(files: Sequence[Path]) -> list[float]:
    """Seconds between two records of a job, minus the lifetime of the later record's worker."""
    jobs: dict[str, list[tuple[float, float]]] = {}
    for file in files:
        record = read_record(file)
        lived_s = (record.times and record.times.worker_s) or 0.0
        jobs.setdefault(record.sweep, []).append((file.stat().st_mtime, lived_s))
    return [
        ended - before - lived_s
        for rounds in map(sorted, jobs.values())
        for (before, _), (ended, lived_s) in pairwise(rounds)
    ]


def split(short: Account, long: Account) -> tuple[float, float]:
    """Seconds of overhead per round, and per command."""
    more_s = long.seconds["overhead"] - short.seconds["overhead"]
    each_s = more_s / (long.rounds - short.rounds)
    return each_s, short.seconds["overhead"] - each_s * short.rounds


if __name__ == "__main__":
    main()
