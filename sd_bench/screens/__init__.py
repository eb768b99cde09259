"""What both commands show on a terminal alike: the answers, their table, lines that wrap; and the
console, which outlives its reader.

May import ``verdicts`` and what lies below it, and rich.
"""
