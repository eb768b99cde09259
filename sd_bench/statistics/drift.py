"""Drift: whether times grow or shrink over a sweep's rounds or over a round's iterations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from sd_bench.statistics.estimate import group_by_length

#: A trend is flagged when chance would give one like it this rarely, and when it matters.
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
    kept = [values for values in series if len(values) > 1]
    df = sum(map(len, kept)) - len(kept) - 1
    if df < _LEAST_DEGREES_OF_FREEDOM:
        return Trend(math.nan, math.nan)
    longest = max(map(len, kept))
    alike = [np.log([kept[at] for at in places]) for places in group_by_length(kept)]  # [m, n] each
    places = [np.broadcast_to(np.arange(float(logs.shape[-1])), logs.shape) for logs in alike]
    x, y = (
        np.concatenate([(each - each.mean(axis=-1, keepdims=True)).ravel() for each in numbers])
        for numbers in (places, alike)
    )
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    se = math.sqrt(float(rest @ rest) / df / float(x @ x))
    p = 2 * float(stdtr(df, -abs(slope) / se)) if se > 1e-12 else float(abs(slope) < 1e-12)
    return Trend(math.expm1(slope * (longest - 1)), p)
