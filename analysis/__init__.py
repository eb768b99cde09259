"""Records to charts and tables. Neither torch nor Hydra is needed.

>>> import analysis
>>> rounds = analysis.load("multirun_outputs")
>>> deltas = analysis.compare(rounds, "attention=math")
>>> analysis.plot(rounds)

Every step but the last returns a pandas DataFrame:

- ``load``: one row per round; ``load_records`` does the same for folders only;
- ``list_environments``: which environment is which (rounds from different environments are never
  averaged together);
- ``summarise``: one row per cell, with mean, spread and 95 % interval in seconds;
- ``compare``: takes cells or rounds and adds improvement, speed-up, interval, verdict
  and parity against a baseline, which ``choose_baseline`` finds by name or by default;
- ``compare_by_axis``: the same for every axis that varies, with all others held equal;
- ``plot``: a chart of the report, which a notebook displays.

``analysis.charts.select.all_groups.select_charts`` and ``analysis.tables.files.write_tables`` write
such charts and tables to files.

The rooms, from the ground up: ``bundles``, ``ingest``, ``comparison`` and ``history``, ``wording``,
``tables``, ``charts``, ``published``, ``report``, ``api``, ``cli``; each imports only those before
it. Of sd_bench they import ``records``, ``statistics``, ``verdicts``, ``screens``,
``attention_backends`` and ``devices_table``.
"""

from analysis.api import Plot, compare, load, plot
from analysis.comparison.deltas import choose_baseline, compare_by_axis
from analysis.errors import AnalysisError
from analysis.ingest.cells import summarise
from analysis.ingest.environments import list_environments
from analysis.ingest.rounds import load_records
from sd_bench.verdicts.baselines import Baseline
from sd_bench.verdicts.comparisons import improvement_percent, speedup

__all__ = [
    "AnalysisError",
    "Baseline",
    "Plot",
    "choose_baseline",
    "compare",
    "compare_by_axis",
    "improvement_percent",
    "list_environments",
    "load",
    "load_records",
    "plot",
    "speedup",
    "summarise",
]
