"""Bundles: the records of sweeps in one file that travels, and holds nothing personal.

May import ``errors``.
"""
