"""The command ``python -m analysis``: its options, what each command does, and the terminal.

May import every room.
"""
