"""What the tables say, in sentences: findings, notes, and the names of cells.

May import ``comparison``, ``ingest`` and the ground floor.
"""
