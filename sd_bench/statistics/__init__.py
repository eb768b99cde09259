"""What a few noisy times support: intervals, tests of a difference, planned looks, drift.

``looks`` follows the looks of a sweep, ``decision`` has the verdicts. Plain numbers in, plain
numbers out. May import numpy and scipy, and nothing of this project.
"""
