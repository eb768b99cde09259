"""How long does the analysis of many records take, and how much memory?

Writes records of the real schema (two timed iterations of 50 steps each, ten rounds per cell) and
times, each in a process of its own: loading with all tables, and the whole command with charts and
report. The time of the former should grow linearly with the number of records. ``--read`` times
reading and checking records alone, the best of five passes.

    python benchmarks/analysis_speed.py [--records 1000 10000 100000] [--report 10000]
    python benchmarks/analysis_speed.py --records --report --read 2000
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from sd_bench.records import Iteration, Record, record_path
from tests.support.records import sample_environment, sample_hash, sample_record, sample_times

ROUNDS = 10
GPUS = ("t4", "v100", "a10", "a100", "h100")
#: The first vary slowest: each GPU, model and batch size has up to 20 cells side by side.
AXES: dict[str, tuple[Any, ...]] = {
    "sampler": ("plms", "ddim", "dpm_solver"),
    "precision": ("autocast", "bf16", "fp32"),
    "torch_env": ("original", "optimized"),
    "model_version": ("sd1", "sd2", "sd2_768"),
    "gpu": GPUS,
    "batch_size": (1, 2, 4, 8),
    "attention": ("original", "math", "mem_efficient", "flash", "cudnn"),
    "compile": ("off", "default", "reduce_overhead", "max_autotune"),
}

_LOAD_AND_TABLES = """
import resource, sys, time
began = time.perf_counter()
from pathlib import Path
from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.tables.files import write_tables
rounds = load_records(sys.argv[1])
loaded = time.perf_counter()
cells = summarise(rounds)
deltas = compare(cells)
write_tables(deltas, list_environments(rounds), compare_by_axis(cells), Path(sys.argv[2]))
ended = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(loaded - began, ended - loaded, peak)
"""

_READ = """
import resource, sys, time
from pathlib import Path
from sd_bench.records import find_records, read_record
paths = list(find_records(Path(sys.argv[1])))
passes = []
for _ in range(5):
    began = time.perf_counter()
    for path in paths:
        read_record(path)
    passes.append(time.perf_counter() - began)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(min(passes), 0.0, peak)
"""

_WHOLE = """
import contextlib, io, resource, sys, time
began = time.perf_counter()
from analysis.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main([sys.argv[1], "--out", sys.argv[2]]) == 0
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(time.perf_counter() - began, 0.0, peak)
"""


def records(count: int) -> Iterator[Record]:
    """Records of as many cells as there are tens of them, in sweeps of one GPU each."""
    chance = np.random.default_rng(0)
    combinations = itertools.product(*AXES.values())
    for cell, values in enumerate(itertools.islice(combinations, -(-count // ROUNDS))):
        choices = dict(zip(AXES, values, strict=True))
        seconds = 2 * choices["batch_size"] * (1 + AXES["attention"].index(choices["attention"]))
        environment = sample_environment(choices["gpu"], device=f"NVIDIA {choices['gpu']}")
        for number in range(min(ROUNDS, count - cell * ROUNDS)):
            iterations = [
                _iteration(seconds * (1 + 0.005 * chance.standard_normal()), chance)
                for _ in range(2)
            ]
            times = structs.replace(sample_times(1.0), iterations=iterations)
            yield sample_record(
                round_index=number,
                sweep=f"sweep-{choices['gpu']}",
                cell_hash=sample_hash(choices),
                environment=environment,
                latents_file=None,
                extra={"times": times, "job": str(cell)},
                n_iter=2,
                steps=50,
                **choices,
            )


def _iteration(total_s: float, chance: np.random.Generator) -> Iteration:
    steps = total_s / 50 * (1 + 0.01 * chance.standard_normal(50))
    whole = sample_times(total_s).iterations[0]
    return structs.replace(whole, steps_s=steps.tolist())


def write(root: Path, count: int) -> None:
    """Write the records below ``root``, one folder per cell, without waiting for the disk."""
    for at, record in enumerate(records(count)):
        folder = root / record.sweep / str(at // ROUNDS)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record, default=structs.asdict, indent=1)
        record_path(folder, record.round).write_text(text, encoding="utf-8")


def measured(program: str, root: Path, out: Path) -> tuple[float, float, float]:
    """Two times in seconds and the peak memory in GiB of a process of its own."""
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-c", program, str(root), str(out)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    first, second, peak = map(float, done.stdout.split())
    return first, second, peak


def main() -> None:
    """Print a line a number of records."""
    parser = argparse.ArgumentParser(description="Is the analysis quick, and linear in records?")
    parser.add_argument("--records", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--report", type=int, nargs="*", default=[10_000])
    parser.add_argument("--read", type=int, nargs="*", default=[])
    options = parser.parse_args()
    for count in sorted({*options.records, *options.report, *options.read}):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            write(Path(folder) / "records", count)
            print(f"{count:7} records written in {time.perf_counter() - began:.0f} s", flush=True)
            paths = Path(folder) / "records", Path(folder) / "out"
            if count in options.read:
                read_s, _, peak = measured(_READ, *paths)
                print(f"{count:7} read  {1e6 * read_s / count:6.0f} us per record  {peak:.2f} GiB")
            if count in options.records:
                load_s, tables_s, peak = measured(_LOAD_AND_TABLES, *paths)
                print(
                    f"{count:7} load {load_s:7.2f} s  tables {tables_s:7.2f} s  "
                    f"{1e6 * (load_s + tables_s) / count:6.0f} us a record  {peak:.2f} GiB"
                )
            if count in options.report:
                whole_s, _, peak = measured(_WHOLE, *paths)
                size = (paths[1] / "report.html").stat().st_size / 1e6
                print(f"{count:7} whole {whole_s:6.2f} s  {peak:.2f} GiB  report {size:.1f} MB")


if __name__ == "__main__":
    main()
