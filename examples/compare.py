"""Compare what was measured: python examples/compare.py multirun_outputs attention=math"""

import sys

import analysis

folder, baseline = (*sys.argv[1:], "multirun_outputs", None)[:2]
rounds = analysis.load(folder)
deltas = analysis.compare(rounds, baseline)
print(deltas[["series", "batch_size", "cell_s", "speedup", "verdict"]].to_string(index=False))

chart = analysis.plot(deltas)
chart.save("speedups.png")
print(f"speedups.png: {chart.caption}")
