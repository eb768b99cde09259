"""Where series of numbers change: E-Divisive, with permutation tests over all series together.

E-Divisive is Matteson and James (2014), "A nonparametric approach for multiple change point
analysis of multivariate data", Journal of the American Statistical Association 109, with its usual
exponent of 1. The significance of a split comes from permutations of the values of its segment. All
series are one family: the smallest p-value among them is compared with the smallest under the same
permutations (the minP method of Westfall and Young 1993, "Resampling-based multiple testing"),
which keeps the correlation between series of the same sweeps. The seed is fixed, so equal series
give equal answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

#: The chance that any change is reported for a family of series without changes.
ERROR = 0.05

#: How many values a change needs on each side: a single one is an outlier.
FEWEST_BESIDE = 2

_PERMUTATIONS = 1999
_SEED = 20141101
_MOST_NUMBERS = 4_000_000  # in memory at once: 32 MB


@dataclass(frozen=True, slots=True)
class Change:
    """A change before the value ``at`` of a series; ``p`` is adjusted for the whole family."""

    at: int
    p: float


@dataclass(frozen=True, slots=True)
class _Segment:
    """The values of a series from ``begin`` up to, not including, ``end``."""

    begin: int
    end: int


def find_changes(
    series: Sequence[Mapping[int, float]], permutations: int = _PERMUTATIONS
) -> list[list[Change]]:
    """The changes of each series, in order; a series maps the number of a sweep to its value.

    Values of one sweep are permuted together. The segments of a series with a change are searched
    further, at the error level of the whole family.
    """
    values = [np.array([each[key] for key in sorted(each)]) for each in series]
    numbers = [np.array(sorted(each), dtype=np.int64) for each in series]
    keys = _draw_keys(1 + max((int(n[-1]) for n in numbers if len(n)), default=0), permutations)
    found: list[list[Change]] = [[] for _ in series]
    open_series = set(range(len(series)))
    while open_series:
        splits = [
            _best_split(values[at], keys[:, numbers[at]], _segments(found[at], len(values[at])))
            for at in range(len(series))
        ]
        adjusted = _adjust(np.array([split.chances for split in splits]))
        open_series = {at for at in open_series if adjusted[at] <= ERROR}
        for at in open_series:
            found[at].append(Change(splits[at].place, float(adjusted[at])))
            found[at].sort(key=lambda change: change.at)
    return found


def find_p(values: Numbers, permutations: int = _PERMUTATIONS) -> float:
    """The p-value of the best split of a single series."""
    whole = [_Segment(0, len(values))]
    return float(_best_split(values, _draw_keys(len(values), permutations), whole).chances[0])


@cache
def _draw_keys(count: int, permutations: int) -> Numbers:
    """Random sort keys ``[permutation, sweep]``; the first row keeps the series as it is."""
    keys = np.random.default_rng(_SEED).random((permutations + 1, count))
    keys[0] = np.arange(count)
    keys.flags.writeable = False
    return keys


def _segments(changes: Sequence[Change], length: int) -> list[_Segment]:
    bounds = [0, *(change.at for change in changes), length]
    return [_Segment(*pair) for pair in pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class _Split:
    """The best split of a series: before the value ``place``.

    ``chances`` has for each permutation the share of permutations with a split at least as good;
    the first is the p-value.
    """

    place: int
    chances: Numbers


def _best_split(values: Numbers, keys: Numbers, segments: Sequence[_Segment]) -> _Split:
    best = np.full(len(keys), -np.inf)
    place = 0
    for segment in segments:
        inside = slice(segment.begin, segment.end)
        gains, at = _measure(values[inside], np.argsort(keys[:, inside], axis=1, kind="stable"))
        if gains[0] > best[0]:
            place = segment.begin + at
        best = np.maximum(best, gains)
    return _Split(place, _chances(best))


def _chances(gains: Numbers) -> Numbers:
    """For each gain the share of all gains that are at least as large."""
    rounded = np.round(gains, 9)  # equal permutations may differ by rounding
    return 1 - np.searchsorted(np.sort(rounded), rounded, side="left") / len(gains)


def _adjust(chances: Numbers) -> Numbers:
    """The adjusted p-value of each series, from the chances ``[series, permutation]``."""
    smallest = chances.min(axis=0)
    return (smallest[None, :] <= chances[:, :1] + 1e-12).mean(axis=1)


def _measure(values: Numbers, orders: Places) -> tuple[Numbers, int]:
    """The largest divergence in each of the orders, and where the first order is split.

    Divergence is a multiple of the mean distance between two values of the segment, so that series
    of any size are comparable; it is minus infinity if nothing can be split.
    """
    n = len(values)
    distances = np.abs(values[:, None] - values[None, :])
    scale = distances.sum() / max(n * (n - 1), 1)
    if n < 2 * FEWEST_BESIDE or scale <= 1e-12:
        return np.full(len(orders), -np.inf), 0
    splits, ends = _candidates(n)
    gains = []
    for part in np.array_split(orders, -(-len(orders) * n * n // _MOST_NUMBERS)):
        sums = distances[part[:, :, None], part[:, None, :]].cumsum(axis=1).cumsum(axis=2)
        gains.append(_divergences(sums, splits, ends))
    first = int(gains[0][0].argmax())
    largest = np.concatenate([gain.max(axis=1) for gain in gains])
    return largest / scale, int(splits[first])


@cache
def _candidates(n: int) -> tuple[Places, Places]:
    """Every split of the first values of ``n``: where it is, and how many values there are."""
    pairs = [
        (split, end)
        for end in range(2 * FEWEST_BESIDE, n + 1)
        for split in range(FEWEST_BESIDE, end - FEWEST_BESIDE + 1)
    ]
    splits, ends = np.array(pairs, dtype=np.int64).T
    return splits, ends


def _divergences(sums: Numbers, splits: Places, ends: Places) -> Numbers:
    """Equation 5 of Matteson and James for each split, from sums of distances ``[order, i, j]``.

    ``sums[:, i, j]`` is the sum over the first ``i + 1`` by the first ``j + 1`` values.
    """
    left, right = splits, ends - splits
    within_left = sums[:, splits - 1, splits - 1]
    both = sums[:, splits - 1, ends - 1]
    whole = sums[:, ends - 1, ends - 1]
    between = both - within_left
    within_right = whole - 2 * both + within_left
    energy = (
        2 * between / (left * right)
        - within_left / (left * (left - 1))
        - within_right / (right * (right - 1))
    )
    return left * right / (left + right) * energy
