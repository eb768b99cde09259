"""How much of a sweep is neither imports, nor building, nor warm-up, nor measured calls?

Runs the six-cell command and adds up what its records account for. What is left, per round, is
the launcher's own: composing, starting and ending processes, saving, environment facts. The
UNet call under the profiler that proves the kernel is a measured call, and shown apart.

    python benchmarks/overhead.py [OVERRIDES ...]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sd_bench.execution.account import Account
from sd_bench.records import find_records, read_record

SIX_CELLS = ["-m", "batch_size=1,2,4", "attention=flash,math"]


def main() -> None:
    """Run the sweep and print the account."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sd_bench", *SIX_CELLS, f"hydra.sweep.dir={folder}/sweep"]
        began = time.perf_counter()
        subprocess.run([*command, *sys.argv[1:]], check=True)
        total_s = time.perf_counter() - began
        records = [read_record(path) for path in find_records(Path(folder))]
    account = Account.of(records, total_s)
    if account is None:
        sys.exit("a round has no times: nothing to account for")
    print(f"{account.rounds} rounds, {total_s:.1f} s in all, from outside:")
    for name, seconds in account.seconds.items():
        each = f"{seconds / account.rounds:7.3f} s a round"
        print(f"{name:13}{seconds:8.1f} s {account.share(name):5.1f} % {each}")


if __name__ == "__main__":
    main()
