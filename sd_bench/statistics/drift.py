"""Drift: whether times grow or shrink along a sweep's rounds, or along a round's iterations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

#: A trend is flagged when chance would give one like it this rarely, and when it matters.
_SIGNIFICANT = 0.01
_LEAST_CHANGE = 0.01
_LEAST_DEGREES_OF_FREEDOM = 4


class Trend(NamedTuple):
    """``change`` from the first value to the last, as a share (0.02: 2 % slower), and its p."""

    change: float
    p: float

    @property
    def flagged(self) -> bool:
        """Whether a reader should know of it; never with too few values, where p is NaN."""
        return self.p < _SIGNIFICANT and abs(self.change) >= _LEAST_CHANGE


def trend(series: Iterable[Sequence[float]]) -> Trend:
    """The common linear trend of the logarithms of several series, each with its own level.

    The change is over the longest of them. NaN with fewer than four degrees of freedom left.
    """
    places, logs, levels = [], [], 0
    longest = 0
    for values in (v for v in series if len(v) > 1):
        at = np.arange(len(values), dtype=float)
        log = np.log(values)
        places.append(at - at.mean())
        logs.append(log - log.mean())
        levels, longest = levels + 1, max(longest, len(values))
    df = sum(map(len, places)) - levels - 1
    if df < _LEAST_DEGREES_OF_FREEDOM:
        return Trend(math.nan, math.nan)
    x, y = np.concatenate(places), np.concatenate(logs)
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    se = math.sqrt(float(rest @ rest) / df / float(x @ x))
    p = 2 * float(stdtr(df, -abs(slope) / se)) if se > 1e-12 else float(abs(slope) < 1e-12)
    return Trend(math.expm1(slope * (longest - 1)), p)
