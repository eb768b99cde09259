"""Tables for people: which columns they have, the pages that they make up, and their markup.

Imports ``wording``, ``comparison`` and the ground floor.
"""
