"""Compares cells: tables of comparisons, parity, two sweeps, ablation, attribution.

``sd_bench.verdicts`` decides what is faster; here its comparisons become tables, with parity and
flags beside them. May import ``ingest`` and the ground floor.
"""
