"""The size of change that a history can show, by simulation and by counting permutations."""

from __future__ import annotations

import math
from functools import cache
from itertools import count

import numpy as np

from analysis.history.change_points import ERROR, Numbers, find_p

#: The chance with which a change that "would have been found" is found.
POWER = 0.8

_SEED = 1993
_SERIES = 60
_LARGEST = 64.0
_STEPS = 9

#: Beyond this many sweeps the shift is extrapolated: it falls with the root of their number.
_MOST_SIMULATED = 24


def fewest_sweeps(num_cells: int) -> int:
    """The fewest sweeps with which a change of one cell can be significant.

    A clear change in the middle is equally good in the measured order and in all orders that only
    permute the sweeps on its two sides, forwards and backwards: no p-value is below their share.
    """
    level = ERROR / num_cells
    return next(n for n in count(4) if 2 / math.comb(n, n // 2) <= level)


@cache
def findable_shift(num_sweeps: int, num_cells: int) -> float | None:
    """The change of one cell that is found with a chance of `POWER`, in standard deviations.

    That is the deviation between sweeps in which nothing changed, assumed normal; the change is in
    the middle, and cells share no noise. ``None`` if no change can be found.
    """
    if num_sweeps < fewest_sweeps(num_cells):
        return None
    if num_sweeps > _MOST_SIMULATED:
        shift = findable_shift(_MOST_SIMULATED, num_cells)
        return None if shift is None else shift * math.sqrt(_MOST_SIMULATED / num_sweeps)
    level = ERROR / num_cells
    noise = np.random.default_rng(_SEED).standard_normal((_SERIES, num_sweeps))
    low, high = 0.0, _LARGEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = _share_found(noise, middle, level)
        low, high = (low, middle) if found >= POWER else (middle, high)
    return high if high < _LARGEST else None


def _share_found(noise: Numbers, shift: float, level: float) -> float:
    shifted = noise.copy()
    shifted[:, noise.shape[1] // 2 :] += shift
    permutations = min(1999, max(299, math.ceil(3 / level)))
    return float(np.mean([find_p(values, permutations) <= level for values in shifted]))
