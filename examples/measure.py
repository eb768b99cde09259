"""Measure a matrix: python examples/measure.py attention=flash,math batch_size=1,2"""

import sys

import sd_bench

try:
    rounds = sd_bench.run(*sys.argv[1:] or ["attention=flash,math"])
except sd_bench.ConfigError as error:
    sys.exit(f"cannot measure this: {error}")
except sd_bench.SweepInterrupted as interrupt:
    sys.exit(f"stopped: {interrupt}")

print(rounds.groupby(["attention", "batch_size"]).runtime_s.agg(["count", "mean", "std"]))
rounds.to_csv("rounds.csv", index=False)
