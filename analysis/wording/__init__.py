"""What the tables say, in sentences: findings, notes, and the names of cells.

Imports ``comparison``, ``ingest`` and the ground floor.
"""
