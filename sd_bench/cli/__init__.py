"""The command ``python -m sd_bench``: its arguments, help, screens and error messages.

May import every other room but ``api``, which measures by the same steps.
"""
