"""What both commands show: answers and their table, wrapped lines, a console that survives a closed
pipe.

May import ``verdicts`` and what lies below it, and rich.
"""
