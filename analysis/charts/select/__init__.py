"""Which charts a sweep calls for, and the names of their files.

Makes charts of tables: a module for each group, and `all_groups` for all of them. May import
``kinds`` beside it, ``wording``, ``comparison``, ``ingest`` and the ground floor.
"""
