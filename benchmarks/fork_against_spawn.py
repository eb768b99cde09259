"""Does a round take as long in a forked process as in a spawned one, and what does each cost?

Measures one cell in one sweep of the real command, with each kind of worker once per round, in an
order that is reshuffled every round. Prints Markdown, and writes the same numbers as JSON.

    python -m benchmarks.fork_against_spawn [--pairs 40] [--json FILE] [OVERRIDES ...]
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.a_a import run_sweep
from sd_bench.config.schema import WORKERS
from sd_bench.records import Record, find_records, read_record
from sd_bench.statistics.intervals import mean_interval, t_quantile
from sd_bench.statistics.paired import estimate_paired

#: The README's cell.
_CELL = (
    "gpu=cpu", "model_version=sd2", "batch_size=1", "workload.height=128", "workload.width=128",
    "sampler.steps=2", "attention=flash", "images=false",
)  # fmt: skip
#: Fork and spawn count as equal if the ratio's interval is within this distance of 1.
_MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Kind:
    """The rounds of one kind of worker, in seconds; ``round_s`` is the median of a whole round.

    ``peak_bytes`` is the median peak of the process's memory.
    """

    rounds: int
    mean_s: float
    sd_s: float
    cv: float
    min_s: float
    max_s: float
    round_s: float
    import_s: float
    peak_bytes: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """``ratio`` is fork over spawn with its 95 % interval, ``set_aside`` its disturbed pairs."""

    pairs: int
    ratio: float
    low: float
    high: float
    set_aside: int
    kinds: Mapping[str, Kind]
    runtimes_s: Mapping[str, Mapping[int, float]]

    @property
    def is_equal(self) -> bool:
        return self.low > 1 - _MARGIN and self.high < 1 + _MARGIN


def main() -> None:
    """Run the sweep, print the results and write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=40, help="pairs of rounds (default: 40)")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    parser.add_argument("overrides", nargs="*", help="overrides of sd_bench for another cell")
    options = parser.parse_intermixed_args()
    arguments = [
        "-m", *_CELL, "protocol.retry_disturbed=false", *options.overrides,
        f"protocol.rounds={options.pairs}", f"protocol.worker={','.join(WORKERS)}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run_sweep(arguments, f"{folder}/sweep")
        found = [(read_record(path), path.stat().st_mtime) for path in find_records(Path(folder))]
    found.sort(key=lambda pair: pair[0].position)
    comparison = compare([record for record, _ in found], [written for _, written in found])
    print(f"`python -m sd_bench {shlex.join(arguments)}`\n")
    print(describe(comparison, found[0][0]))
    if options.json is not None:
        numbers = {**asdict(comparison), "is_equal": comparison.is_equal, "arguments": arguments}
        options.json.write_text(json.dumps(numbers, indent=1) + "\n")


def compare(records: Sequence[Record], written_at: Sequence[float]) -> Comparison:
    """Compare the rounds, given in order; each ended when its record was ``written_at``."""
    lasted = [after - before for before, after in pairwise(written_at)]
    whole_s: dict[str, list[float]] = {kind: [] for kind in WORKERS}
    for record, seconds in zip(records[1:], lasted, strict=True):
        whole_s[_kind(record)].append(seconds)
    of_kind = {kind: [r for r in records if _kind(r) == kind] for kind in WORKERS}
    runtimes_s = {kind: {r.round: _runtime(r) for r in rs} for kind, rs in of_kind.items()}
    estimate = estimate_paired(runtimes_s["spawn"], runtimes_s["fork"])
    half = t_quantile(0.975, estimate.df) * estimate.se if estimate.rounds > 1 else math.nan
    return Comparison(
        pairs=estimate.rounds,
        ratio=math.exp(-estimate.log_speedup),
        low=math.exp(-estimate.log_speedup - half),
        high=math.exp(-estimate.log_speedup + half),
        set_aside=len(estimate.disturbed),
        kinds={kind: _summary(of_kind[kind], whole_s[kind]) for kind in WORKERS},
        runtimes_s=runtimes_s,
    )


def _summary(records: Sequence[Record], whole_s: Sequence[float]) -> Kind:
    runtimes_s = [_runtime(record) for record in records]
    mean = mean_interval(runtimes_s)
    return Kind(
        rounds=len(records),
        mean_s=mean.mean,
        sd_s=mean.sd,
        cv=mean.sd / mean.mean,
        min_s=min(runtimes_s),
        max_s=max(runtimes_s),
        round_s=statistics.median(whole_s),
        import_s=statistics.median(r.times.import_s for r in records if r.times is not None),
        peak_bytes=statistics.median(
            (r.memory and r.memory.process_peak_bytes) or math.nan for r in records
        ),
    )


def _kind(record: Record) -> str:
    """The kind of process that the round ran in, which must be the requested one."""
    kind = record.environment.get("worker", {}).get("kind")
    if record.status != "ok" or kind != record.config["protocol"]["worker"]:
        sys.exit(f"round {record.round} ({kind}): {record.status}, {record.reason}")
    return str(kind)


def _runtime(record: Record) -> float:
    assert record.runtime_s is not None
    return record.runtime_s


def describe(comparison: Comparison, record: Record) -> str:
    """The results as Markdown."""
    rows = [
        f"| {name} | {kind.rounds} | {kind.mean_s:.4f} | {kind.sd_s:.4f} | {kind.cv:.2%} "
        f"| {kind.min_s:.4f} | {kind.max_s:.4f} | {kind.round_s:.2f} | {kind.import_s:.2f} "
        f"| {kind.peak_bytes / 2**20:.0f} |"
        for name, kind in comparison.kinds.items()
    ]
    verdict = "equal" if comparison.is_equal else "not shown to be equal"
    return "\n".join(
        [
            f"{record.environment['device']['name']}, torch {record.environment['torch']}, "
            f"{record.started_at[:10]}",
            "",
            "| worker | rounds | mean s | sd s | cv | min s | max s | whole round s | imports s "
            "| peak MiB |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            *rows,
            "",
            f"fork / spawn: {comparison.ratio:.4f} (95 % interval {comparison.low:.4f} to "
            f"{comparison.high:.4f}, {comparison.pairs} pairs, {comparison.set_aside} set aside): "
            f"{verdict} within {_MARGIN:.0%}.",
        ]
    )


if __name__ == "__main__":
    main()
