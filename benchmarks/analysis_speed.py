"""How long does the analysis of many records take, how much memory, and how does it grow?

Writes records of the real schema (two timed iterations of 50 steps each, ten rounds per cell) and
times, each in a process of its own: loading with all tables, and the whole command with charts and
report. Wall time is what a user waits; CPU time is that of all processes together, which says more
on a machine that others use too; memory is the most that the command held at one time,
together with the processes that it started: pages that several of them share count once (Linux
only). All of it should grow linearly with the number of records. ``--read``
times reading and checking records alone, the best of five passes. ``--beside`` times another
checkout on the same records, in turn with this one.

    python -m benchmarks.analysis_speed --records 1000 10000 100000 --report 1000 10000
    python -m benchmarks.analysis_speed --records 10000 --report 10000 --repeat 3 --beside ../before
    python -m benchmarks.analysis_speed --records --report --read 2000
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec import structs

from sd_bench.records import Iteration, Record, record_path
from tests.support.records import sample_environment, sample_hash, sample_record, sample_times

ROUNDS = 10
GPUS = ("t4", "v100", "a10", "a100", "h100")
#: The first axes vary slowest: each GPU, model and batch size has up to 20 cells.
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

#: This checkout.
_HERE = Path(__file__).resolve().parents[1]

_LOAD_AND_TABLES = """
import inspect, os, sys
from pathlib import Path
from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.tables.files import write_tables
can_share = "processes" in inspect.signature(load_records).parameters  # older states cannot
rounds = load_records(sys.argv[1], **({"processes": os.cpu_count()} if can_share else {}))
cells = summarise(rounds)
write_tables(compare(cells), list_environments(rounds), compare_by_axis(cells), Path(sys.argv[2]))
"""

_READ = """
import sys, time
from pathlib import Path
from sd_bench.records import find_records, read_record
paths = list(find_records(Path(sys.argv[1])))
passes = []
for _ in range(5):
    began = time.perf_counter()
    for path in paths:
        read_record(path)
    passes.append(time.perf_counter() - began)
print(min(passes))
"""

_WHOLE = """
import contextlib, io, sys
from analysis.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main([sys.argv[1], "--out", sys.argv[2]]) == 0
"""

#: Ends every program: prints CPU seconds, child processes included.
_COST = """
import resource
own, started = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(own.ru_utime + own.ru_stime + started.ru_utime + started.ru_stime)
"""
_SAMPLE_EVERY_S = 0.1


class Cost(NamedTuple):
    """Wall-clock seconds, CPU seconds of all processes, and peak memory in GiB."""

    wall_s: float
    cpu_s: float
    peak_gib: float


def records(count: int) -> Iterator[Record]:
    """``count`` records, ten per cell, in sweeps of one GPU each."""
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


def measured(program: str, root: Path, out: Path, checkout: Path = _HERE) -> Cost:
    """What a program of a checkout costs in a process of its own."""
    out.mkdir(exist_ok=True)
    began = time.perf_counter()
    (*_, cpu_s), peak_gib = _run(program + _COST, root, out, checkout)
    return Cost(time.perf_counter() - began, float(cpu_s), peak_gib)


def _run(program: str, root: Path, out: Path, checkout: Path = _HERE) -> tuple[list[str], float]:
    """The lines that a program prints, and its peak memory in GiB."""
    command = [sys.executable, "-c", program, str(root), str(out)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    peak_gib = 0.0
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=printed)
        while process.poll() is None:
            peak_gib = max(peak_gib, _memory_gib(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SAMPLE_EVERY_S)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command[:2])
        printed.seek(0)
        return printed.read().splitlines(), peak_gib


def _memory_gib(process: int) -> float:
    """The proportional set size of a process and all below it; one that has ended has none."""
    below: list[str] = []
    kib = 0.0
    with suppress(OSError):
        folder = Path("/proc") / str(process)
        pss = re.search(r"^Pss: +(\d+)", (folder / "smaps_rollup").read_text(), re.M)
        kib = float(pss[1]) if pss else 0.0
        for children in folder.glob("task/*/children"):
            below += children.read_text().split()
    return kib / 2**20 + sum(_memory_gib(int(child)) for child in below)


def _say(count: int, what: str, cost: Cost, checkout: Path) -> str:
    return (
        f"{count:7} {what:7} {cost.wall_s:7.2f} s  CPU {cost.cpu_s:7.2f} s  "
        f"{1e6 * cost.cpu_s / count:6.0f} us per record  {cost.peak_gib:.2f} GiB  "
        f"{'' if checkout == _HERE else checkout}"
    ).rstrip()


def _measure(count: int, options: argparse.Namespace) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        root, out = Path(folder) / "records", Path(folder) / "out"
        write(root, count)
        yield f"{count:7} records written in {time.perf_counter() - began:.0f} s"
        if count in options.read:
            (read_s,), _ = _run(_READ, root, out)
            yield f"{count:7} read    {1e6 * float(read_s) / count:6.0f} us per record"
        checkouts = [_HERE] if options.beside is None else [options.beside.resolve(), _HERE]
        for _, checkout in itertools.product(range(options.repeat), checkouts):
            if count in options.records:
                cost = measured(_LOAD_AND_TABLES, root, out, checkout)
                yield _say(count, "tables", cost, checkout)
            if count in options.report:
                cost = measured(_WHOLE, root, out, checkout)
                size = (out / "report.html").stat().st_size / 1e6
                yield f"{_say(count, 'report', cost, checkout)}  report.html {size:.1f} MB"


def main() -> None:
    """Print a line for each number of records and each part that is timed."""
    parser = argparse.ArgumentParser(description="Is the analysis quick, and linear in records?")
    parser.add_argument("--records", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--report", type=int, nargs="*", default=[10_000])
    parser.add_argument("--read", type=int, nargs="*", default=[])
    parser.add_argument("--repeat", type=int, default=1, help="time everything so many times")
    parser.add_argument(
        "--beside", type=Path, metavar="DIR", help="another checkout, timed in turn with this one"
    )
    options = parser.parse_args()
    for count in sorted({*options.records, *options.report, *options.read}):
        for line in _measure(count, options):
            print(line, flush=True)


if __name__ == "__main__":
    main()
