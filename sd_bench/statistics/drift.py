"""Drift: whether times grow or shrink over a sweep's rounds or over a round's iterations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

#: A trend is flagged if its p-value is below the first and its change at least the second.
_SIGNIFICANT = 0.01
_LEAST_CHANGE = 0.01
_LEAST_DEGREES_OF_FREEDOM = 4


class Trend(NamedTuple):
    """``change`` from the first value to the last, as a share (0.02: 2 % slower), and its p-value.

    Both are NaN if there are too few values.
    """

    change: float
    p: float

    @property
    def flagged(self) -> bool:
        """Whether the trend is significant and large enough to report; false if p is NaN."""
        return self.p < _SIGNIFICANT and abs(self.change) >= _LEAST_CHANGE


def trend(series: Iterable[Sequence[float]]) -> Trend:
    """The common linear trend of the logarithms of several series, each with its own mean.

    The change is over the longest series. NaN with fewer than four degrees of freedom.
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
