"""What a few noisy times support: intervals, tests of a difference, planned looks, drift.

Verdicts come from ``significance``; the planned looks (``looks``, ``decision`` and what they build
on) are complete but not in use yet. Plain numbers in, plain numbers out. May import numpy and
scipy, and nothing of this project.
"""
