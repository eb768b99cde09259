"""The command ``python -m analysis``: its options, what each command does, and the terminal.

Imports every room.
"""
