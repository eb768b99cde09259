"""Tables for people: which columns they have, the pages that they make up, and their markup.

May import ``wording``, ``comparison`` and the ground floor.
"""
