"""The command ``python -m sd_bench``: its arguments, its help, its screens, its words for errors.

May import every other room but ``api``, which measures by the same steps.
"""
