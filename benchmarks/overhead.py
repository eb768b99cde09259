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

from sd_bench.records import Times, find_records, read_record

SIX_CELLS = ["-m", "batch_size=1,2,4", "attention=flash,math"]


def accounted_s(times: Times) -> dict[str, float]:
    """Seconds of a round by what they went to."""
    return {
        "imports": times.import_s,
        "building": times.build_s,
        "warm-up": times.prepare_s
        + sum(times.warmup_unet_calls_s)
        + sum(i.total_s for i in times.warmup),
        "timed calls": times.runtime_s,
        "kernel proof": times.proof_s or 0.0,
    }


def main() -> None:
    """Run the sweep and print the account."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sd_bench", *SIX_CELLS, f"hydra.sweep.dir={folder}/sweep"]
        began = time.perf_counter()
        subprocess.run([*command, *sys.argv[1:]], check=True)
        total_s = time.perf_counter() - began
        records = [read_record(path) for path in find_records(Path(folder))]
    accounts = [accounted_s(record.times) for record in records if record.times is not None]
    sums = {name: sum(account[name] for account in accounts) for name in accounts[0]}
    left_s = total_s - sum(sums.values())
    print(f"{len(accounts)} rounds, {total_s:.1f} s in all")
    for name, seconds in [*sums.items(), ("overhead", left_s)]:
        share = 100 * seconds / total_s
        print(f"{name:13}{seconds:8.1f} s {share:5.1f} %  {seconds / len(accounts):7.3f} s a round")


if __name__ == "__main__":
    main()
