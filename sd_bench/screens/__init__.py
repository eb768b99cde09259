"""What both commands show on a terminal alike: the answers, their table, lines that wrap.

May import ``verdicts`` and what lies below it, and rich.
"""
