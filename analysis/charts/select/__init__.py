"""Which charts a sweep needs, and the names of their files.

Makes charts from tables: one module per group, and `all_groups` for all of them. May import
``kinds``, ``wording``, ``comparison``, ``ingest`` and the ground floor.
"""
