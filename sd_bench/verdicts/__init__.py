"""Which cells are compared with which, and whether one is faster: one rule for everything.

From records alone: ``compare_cells(pool_records(records))`` says what every comparison has come
to, so that a launcher can stop where all are settled and the analysis prints the same verdicts.
Plain dataclasses, without pandas, torch or Hydra. May import ``records``, ``statistics``,
``attention_backends``, ``devices_table`` and ``paths``.
"""
