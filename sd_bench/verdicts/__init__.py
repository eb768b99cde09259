"""Which cells are compared with which, and whether one is faster, by one rule for everything.

``compare_cells(pool_records(records))`` gives the verdict of every comparison from records alone,
so that the launcher can stop when all are settled and the analysis prints the same verdicts.
Plain dataclasses, without pandas, torch or Hydra. May import ``records``, ``statistics``,
``attention_backends``, ``devices_table`` and ``paths``.
"""
