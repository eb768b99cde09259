"""Sentences about the tables: findings, notes, and the names of cells.

May import ``comparison``, ``ingest`` and the ground floor.
"""
