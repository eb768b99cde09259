"""Records to charts and tables. Neither torch nor Hydra is needed.

>>> from analysis import compare, load_records, summarise
>>> deltas = compare(summarise(load_records("multirun_outputs")), "attention=math")

Every step returns a pandas DataFrame:

- ``load_records``: one row a round;
- ``environments``: which environment is which (their rounds are never averaged together);
- ``summarise``: one row a cell, with mean, spread and 95 % interval in seconds;
- ``compare``: the same rows with improvement, speed-up, interval, verdict and parity against a
  baseline, which ``choose_baseline`` finds by name or by custom;
- ``compare_by_axis``: that for every axis that varies, all others held equal.

``analysis.charts.select.runtimes.all_charts`` and ``analysis.tables.files.write_tables`` turn the
last one into files.
"""

from analysis.comparison.deltas import (
    Baseline,
    choose_baseline,
    compare,
    improvement_percent,
    speedup,
)
from analysis.errors import AnalysisError
from analysis.ingest.cells import summarise
from analysis.ingest.rounds import load_records
from analysis.tables.pages import compare_by_axis
from sd_bench.verdicts.environments import environments

__all__ = [
    "AnalysisError",
    "Baseline",
    "choose_baseline",
    "compare",
    "compare_by_axis",
    "environments",
    "improvement_percent",
    "load_records",
    "speedup",
    "summarise",
]
