"""What can be concluded from a few noisy times: intervals, verdicts, planned looks, drift.

``looks`` follows the looks of a sweep, ``decision`` gives the verdicts. All functions take and
return plain numbers. May import numpy and scipy, and nothing from this project.
"""
