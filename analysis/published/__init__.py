"""The published study: its numbers as CSV, and its tables and charts recomputed from them.

May import ``charts``, ``tables`` and the ground floor.
"""
