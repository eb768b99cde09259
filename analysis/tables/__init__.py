"""Tables for people: their columns, pages and markup.

May import ``wording``, ``comparison`` and the ground floor.
"""
