"""Charts: their kinds, their colours, which of them a sweep calls for, and their files.

May import ``wording``, ``comparison``, ``ingest`` and the ground floor.
"""
