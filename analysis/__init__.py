"""Records to charts and tables. Neither torch nor Hydra is needed.

>>> from analysis import compare, load_records, summarise
>>> deltas = compare(summarise(load_records("multirun_outputs")), "attention=math")

Every step returns a pandas DataFrame:

- ``load_records``: one row per round;
- ``list_environments``: which environment is which (their rounds are never averaged together);
- ``summarise``: one row per cell, with mean, spread and 95 % interval in seconds;
- ``compare``: the same rows with improvement, speed-up, interval, verdict and parity against a
  baseline, which ``choose_baseline`` finds by name or by custom;
- ``compare_by_axis``: that for every axis that varies, all others held equal.

``analysis.charts.select.all_groups.select_charts`` and ``analysis.tables.files.write_tables`` turn
the last one into files.

The rooms, from the ground up: ``ingest``, ``comparison`` and ``history``, ``wording``, ``tables``,
``charts``, ``published``, ``report``, ``cli``; each imports only those before it. Of sd_bench they
import ``records``, ``statistics``, ``verdicts``, ``screens``, ``attention_backends`` and
``devices_table``.
"""

from analysis.comparison.deltas import choose_baseline, compare, compare_by_axis
from analysis.errors import AnalysisError
from analysis.ingest.cells import summarise
from analysis.ingest.environments import list_environments
from analysis.ingest.rounds import load_records
from sd_bench.verdicts.baselines import Baseline
from sd_bench.verdicts.comparisons import improvement_percent, speedup

__all__ = [
    "AnalysisError",
    "Baseline",
    "choose_baseline",
    "compare",
    "compare_by_axis",
    "improvement_percent",
    "list_environments",
    "load_records",
    "speedup",
    "summarise",
]
