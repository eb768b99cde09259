"""Cells against each other: tables of comparisons, parity, two sweeps, ablation, attribution.

What is faster is decided by ``sd_bench.verdicts``; here its comparisons become tables, with parity
and flags beside them. May import ``ingest`` and the ground floor.
"""
