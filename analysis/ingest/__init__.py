"""Records and runs of the published scripts to typed rows: one row per round, one per cell.

Says what is left out, what may be averaged, and which environment is which. May import the ground
floor (``errors``, ``rows``, ``series``, ``formatting``, ``truncation``) and sd_bench's records,
statistics and verdicts.
"""
