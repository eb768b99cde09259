"""Reads records and runs of the published scripts into typed rows: one per round, one per cell.

Decides what is left out, what may be averaged, and which environment is which. May import the
ground floor (``errors``, ``rows``, ``series``, ``formatting``, ``truncation``) and sd_bench's
records, statistics and verdicts.
"""
