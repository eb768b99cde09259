"""Bundles: the records of sweeps in one file to send, without anything personal.

May import ``errors``.
"""
