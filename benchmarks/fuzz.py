"""Feeds the program thousands of fuzzed inputs, and prints the counts by outcome.

    python -m benchmarks.fuzz command_lines 2000 [--seed 0]
    python -m benchmarks.fuzz checkpoints 2000
    python -m benchmarks.fuzz records 2000

The tests in tests/test_fuzzed_*.py draw from the same generators. Any other outcome is printed with
its seed and input, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.command_lines import command_line, judge_command_line
from tests.support.mutants import (
    checkpoint_mutant,
    describe_checkpoint,
    describe_record,
    judge_checkpoint,
    judge_record,
    record_mutant,
)

_SLOW_S = 10.0
_LONGEST_SHOWN = 600


@dataclass(frozen=True, slots=True)
class Kind:
    """What is made from a seed and judged in an empty folder, and a description of the input."""

    judge: Callable[[int, Path], str]
    describe: Callable[[int], str]


KINDS = {
    "command_lines": Kind(
        lambda seed, folder: judge_command_line(command_line(seed), folder),
        lambda seed: repr(command_line(seed)),
    ),
    "checkpoints": Kind(
        lambda seed, folder: judge_checkpoint(checkpoint_mutant(seed), folder / "mutant.ckpt"),
        describe_checkpoint,
    ),
    "records": Kind(
        lambda seed, folder: judge_record(record_mutant(seed), folder / "round-0.json"),
        describe_record,
    ),
}


def main() -> int:
    """Run the command; the exit code is 1 if there was any other outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first input (default: 0)")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.count)
    return 1 if feed(options.kind, seeds) else 0


def feed(kind: str, seeds: range) -> int:
    """Judge the input of each seed, print the counts, and return how many had other outcomes."""
    counts: Counter[str] = Counter()
    escaped, slowest_s, slowest = 0, 0.0, seeds.start
    for seed in seeds:
        began = time.process_time()
        try:
            with TemporaryDirectory() as folder:
                counts[KINDS[kind].judge(seed, Path(folder))] += 1
            reason = None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            reason = "".join(traceback.format_exception_only(type(error), error)).strip()
        took_s = time.process_time() - began
        if took_s > slowest_s:
            slowest_s, slowest = took_s, seed
        if reason is None and took_s > _SLOW_S:
            reason = f"took {took_s:.1f} s"
        if reason is not None:
            escaped += 1
            print(f"escaped, seed {seed}: {reason[:_LONGEST_SHOWN]}")
            print(f"    {KINDS[kind].describe(seed)[:_LONGEST_SHOWN]}", flush=True)
    listed = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    print(
        f"{len(seeds)} {kind} from seed {seeds.start}: {listed}; {escaped} escaped; "
        f"slowest {slowest_s:.2f} s (seed {slowest})"
    )
    return escaped


if __name__ == "__main__":
    sys.exit(main())
