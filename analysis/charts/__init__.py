"""Charts: their kinds, their colours, which ones a sweep needs, and their files.

May import ``wording``, ``comparison``, ``ingest`` and the ground floor.
"""
