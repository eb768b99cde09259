"""What a few noisy times support: intervals, tests of a difference, drift.

Plain numbers in, plain numbers out. Imports numpy and scipy, and nothing of this project.
"""
