"""What does it cost to plan a large matrix?

Dry runs of matrices of several sizes, each in a separate process: CPU seconds (user and system) and
peak memory. Hydra composes a cell only if it has a part that no earlier cell had: once for axes of
plain values, and about once per option for axes of groups.

    python benchmarks/planning_speed.py [--cells 100 300 1000 3000] [--kinds values mixed groups]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FIXED = ("gpu=cpu", "model_version=sd2_tiny", "dry_run=true")
#: Axes that are groups: at most 7 * 4 * 4 * 6 * 3 * 2 cells.
_GROUPS = {
    "attention": "auto,math,flash,mem_efficient,cudnn,original,xformers",
    "compile": "off,default,reduce_overhead,max_autotune",
    "precision": "autocast,fp16,bf16,fp32",
    "batch_size": "1,2,4,8,16,32",
    "sampler": "plms,ddim,dpm_solver",
    "optimizations": "none,auto",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a command: ``cpu_s`` is user and system time, ``peak_mb`` the peak memory."""

    cells: int
    cpu_s: float
    peak_mb: float


def main() -> None:
    """Print a row per matrix."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 300, 1000, 3000])
    parser.add_argument("--kinds", nargs="+", default=["values", "mixed", "groups"])
    options = parser.parse_args()
    print("matrix        cells   CPU s  ms/cell  peak MB")
    for kind in options.kinds:
        for asked_for in options.cells:
            cost = measure(axes(kind, asked_for))
            each_ms = 1000 * cost.cpu_s / cost.cells
            print(
                f"{kind:12}{cost.cells:7}{cost.cpu_s:8.1f}{each_ms:9.1f}{cost.peak_mb:9.0f}",
                flush=True,
            )


def axes(kind: str, cells: int) -> list[str]:
    """The overrides for about ``cells`` cells; ``kind`` is ``values``, ``mixed`` or ``groups``."""
    if kind == "values":
        return [f"workload.seed=range(0,{cells})"]
    if kind == "mixed":
        return [
            "attention=flash,math", "compile=off,default", f"workload.seed=range(0,{cells // 4})"
        ]  # fmt: skip
    return _groups_of(cells)


def _groups_of(cells: int) -> list[str]:
    """As many options of each group as give at most ``cells``, the largest axis first."""
    overrides, left = [], cells
    for group, options in _GROUPS.items():
        taken = options.split(",")[: max(1, left)]
        left //= len(taken)
        overrides.append(f"{group}={','.join(taken)}")
    return overrides


def measure(overrides: Sequence[str]) -> Cost:
    """The cost of one dry run. Raises CalledProcessError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "plan.txt"
        command = [
            sys.executable, "-m", "sd_bench", "-m", *_FIXED, f"hydra.sweep.dir={folder}/sweep",
            *overrides,
        ]  # fmt: skip
        with output.open("w") as stream, subprocess.Popen(command, stdout=stream) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        rows = [line for line in output.read_text().splitlines() if line.startswith("| ")]
    return Cost(
        cells=len(rows) - 1,  # without the headings
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,  # Linux counts in KiB
    )


if __name__ == "__main__":
    main()
