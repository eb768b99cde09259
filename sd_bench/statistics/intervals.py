"""Mean, standard deviation and 95 % t interval of a few rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from scipy.special import stdtrit

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean with its standard deviation and 95 % interval, all in the unit of the values.

    With only one value the spread is unknown: ``sd``, ``low`` and ``high`` are NaN.
    """

    mean: float
    sd: float
    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and two-sided 95 % t interval of ``values``; all NaN if there are none."""
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, math.nan)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, math.nan)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half_width = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * sd / math.sqrt(n)
    return Interval(mean, sd, mean - half_width, mean + half_width)


@cache
def t_quantile(probability: float, degrees_of_freedom: float) -> float:
    """A quantile of Student's t distribution."""
    return float(stdtrit(degrees_of_freedom, probability))
