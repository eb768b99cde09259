"""A/A tests: the same cells twice, so any difference is noise.

Prints Markdown. One cell under two names, interleaved in one sweep: both distributions, their ratio
with its interval, and the drift over the rounds.

    python -m benchmarks.a_a [--rounds 10] [OVERRIDES ...]

Pairs of separate sweeps, one after the other, through the gate of ``python -m analysis compare``:
how many it fails although nothing differs. Without overrides: two cells with tiny networks.

    python -m benchmarks.a_a --pairs 20 [--rounds 6] [--fail-if slower:5%] [OVERRIDES ...]
"""

from __future__ import annotations

import argparse
import math
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sd_bench.records import Record, find_records, read_record
from sd_bench.statistics.intervals import mean_interval, t_quantile

NAMES = ("A", "B")

#: What the pairs of sweeps measure by default.
_TINY = ("gpu=cpu", "model_version=sd2_tiny", "attention=flash,math")

#: What each exit code of the gate means if nothing differs.
_MEANING = {0: "passed", 1: "wrong", 3: "undecided"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def main() -> None:
    """Run the sweep or the pairs, and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, help="per cell (default: 10, or 6 with --pairs)")
    parser.add_argument("--pairs", type=int, help="compare this many pairs of separate sweeps")
    parser.add_argument("--fail-if", default="slower:5%", help="when the gate fails")
    parser.add_argument("overrides", nargs="*", help="overrides of sd_bench that choose the cells")
    options = parser.parse_intermixed_args()
    if options.pairs:
        sweep = ["-m", *(options.overrides or _TINY), f"protocol.rounds={options.rounds or 6}"]
        print(
            f"`python -m sd_bench {shlex.join(sweep)}`, --fail-if {options.fail_if}\n", flush=True
        )
        print(describe_pairs(list(gate_pairs(options.pairs, sweep, options.fail_if))))
        return
    arguments = ["-m", *options.overrides, f"preset.name={','.join(NAMES)}",
                 f"protocol.rounds={options.rounds or 10}"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run_sweep(arguments, f"{folder}/sweep")
        records = [read_record(path) for path in find_records(Path(folder))]
    print(f"`python -m sd_bench {shlex.join(arguments)}`\n")
    print(describe(sorted(records, key=lambda record: record.position)))


def run_sweep(arguments: Sequence[str], folder: str) -> None:
    """Run the real command into ``folder``; raises CalledProcessError."""
    command = [sys.executable, "-m", "sd_bench", *arguments, f"hydra.sweep.dir={folder}"]
    subprocess.run(command, check=True, stdout=sys.stderr)


def gate_pairs(count: int, arguments: Sequence[str], fail_if: str) -> Iterator[tuple[int, str]]:
    """For each pair of sweeps, the gate's exit code and the title of its table."""
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            sides = [f"{folder}/{side}" for side in ("old", "new")]
            for side in sides:
                run_sweep(arguments, side)
            command = [sys.executable, "-m", "analysis", "compare", *sides, "--fail-if", fail_if]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        (heading,) = re.findall("^## (.*)$", done.stdout, re.MULTILINE)
        yield done.returncode, heading


def describe_pairs(outcomes: Sequence[tuple[int, str]]) -> str:
    """The outcome and verdicts of each pair, and how many were wrong, as Markdown."""
    rows = [
        f"| {at} | {_MEANING.get(code, f'exit code {code}')} | {heading} |"
        for at, (code, heading) in enumerate(outcomes, 1)
    ]
    counts = Counter(code for code, _ in outcomes)
    summary = ", ".join(f"{counts[code]} {meaning}" for code, meaning in _MEANING.items())
    table = ["| pair | gate | verdicts |", "|--:|---|---|", *rows]
    return "\n".join([*table, "", f"{len(outcomes)} pairs: {summary}."])


def describe(records: Sequence[Record]) -> str:
    """The results of all rounds, in order, as Markdown."""
    runtimes = [(str(r.choices["preset"]), _runtime(r)) for r in records]
    by_name = {name: [s for n, s in runtimes if n == name] for name in NAMES}
    rows = []
    for name, seconds in by_name.items():
        mean = mean_interval(seconds)
        figures = (mean.mean, mean.sd, min(seconds), max(seconds))
        cells = " | ".join(f"{figure:.4f}" for figure in figures)
        rows.append(f"| {name} | {len(seconds)} | {cells} | {100 * mean.sd / mean.mean:.2f} % |")
    ratio, drift = paired_ratio(*by_name.values()), drift_over([s for _, s in runtimes])
    environment = records[0].environment
    warned = [record.warnings[0] for record in records if record.warnings]
    return "\n".join(
        [
            f"{environment['device']['name']}, torch {environment['torch']}, "
            f"{records[0].started_at[:10]}",
            "",
            "| name | rounds | mean s | sd s | min s | max s | cv |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"B / A: {ratio.value:.4f} (95 % interval {ratio.low:.4f} to {ratio.high:.4f}). "
            f"Drift from the first round to the last: {drift.value:+.2%} "
            f"({drift.low:+.2%} to {drift.high:+.2%}).",
            "",
            f"In order: {', '.join(f'{name} {seconds:.4f}' for name, seconds in runtimes)}.",
            *(
                ["", f"Rounds with a warning: {len(warned)}; such as: {warned[0]}."]
                if warned
                else []
            ),
        ]
    )


def _runtime(record: Record) -> float:
    assert record.runtime_s is not None, record.reason
    return record.runtime_s


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The geometric mean of second / first, round by round, with its t interval."""
    logs = mean_interval([math.log(b / a) for a, b in zip(first, second, strict=True)])
    return Estimate(*(math.exp(value) for value in (logs.mean, logs.low, logs.high)))


def drift_over(seconds: Sequence[float]) -> Estimate:
    """How far a straight line through the rounds rises, as a share of their mean."""
    n = len(seconds)
    middle, mean = (n - 1) / 2, math.fsum(seconds) / n
    spread = math.fsum((i - middle) ** 2 for i in range(n))
    slope = math.fsum((i - middle) * (s - mean) for i, s in enumerate(seconds)) / spread
    left = math.fsum((s - mean - slope * (i - middle)) ** 2 for i, s in enumerate(seconds))
    half_width = t_quantile(0.975, n - 2) * math.sqrt(left / (n - 2) / spread)
    scale = (n - 1) / mean
    return Estimate(*(scale * value for value in (slope, slope - half_width, slope + half_width)))


if __name__ == "__main__":
    main()
