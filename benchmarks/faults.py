"""Feeds the readers thousands of mutants and prints what came of them.

``python benchmarks/faults.py [--checkpoints N] [--records N] [--seed N]``. A mutant that is
neither refused in one line nor read is listed with its seed, and the exit code is 1. Where bytes
of the numbers themselves were changed, a checkpoint reads with changed numbers: no form of file
has a sum over them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.mutants import (
    checkpoint_mutant,
    judge_checkpoint,
    judge_record,
    record_mutant,
)

_SLOW_S = 2.0
_MOST_SHOWN = 10


def main() -> int:
    """Run both kinds; 1 if one has escaped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--checkpoints", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--records", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first mutant (default: 0)")
    options = parser.parse_args()
    first = options.seed
    with TemporaryDirectory() as folder:
        escaped = [
            *feed(
                "checkpoints", range(first, first + options.checkpoints),
                lambda seed: judge_checkpoint(checkpoint_mutant(seed), Path(folder, "m.ckpt")),
            ),
            *feed(
                "records", range(first, first + options.records),
                lambda seed: judge_record(record_mutant(seed), Path(folder, "round-0.json")),
            ),
        ]  # fmt: skip
    for line in escaped[:_MOST_SHOWN]:
        print(line)
    return 1 if escaped else 0


def feed(kind: str, seeds: range, judge: Callable[[int], str]) -> list[str]:
    """Judge a mutant of each seed, print the counts, and return those that escaped."""
    counts: Counter[str] = Counter()
    escaped, slowest_s = [], 0.0
    for seed in seeds:
        began = time.process_time()
        try:
            counts[judge(seed)] += 1
        except Exception as error:
            escaped.append(f"{kind}, seed {seed}: {type(error).__name__}: {error}"[:300])
        slowest_s = max(slowest_s, time.process_time() - began)
        if slowest_s > _SLOW_S and len(escaped) < _MOST_SHOWN:
            escaped.append(f"{kind}, seed {seed}: {slowest_s:.1f} s")
    listed = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    print(f"{len(seeds)} {kind}: {listed}; {len(escaped)} escaped; slowest {slowest_s:.2f} s")
    return escaped


if __name__ == "__main__":
    sys.exit(main())
