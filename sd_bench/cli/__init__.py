"""The command ``python -m sd_bench``: its arguments, help, screens and error messages.

May import every other room except ``api``, which uses it to run sweeps from Python.
"""
