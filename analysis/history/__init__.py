"""A cell over many sweeps: its points by date and commit, and where its runtime changed for good.

May import ``ingest`` and the ground floor.
"""
