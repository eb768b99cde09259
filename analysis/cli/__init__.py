"""The command ``python -m analysis``: its options, its subcommands, and what they print.

May import every room.
"""
