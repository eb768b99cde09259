"""Screen output of both commands: answers and their table, progress, wrapped lines, the console.

May import ``verdicts`` and what is below it, and rich.
"""
