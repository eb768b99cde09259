"""A cell over many sweeps: its points by date and commit, and where its runtime changed.

May import ``ingest`` and the ground floor.
"""
