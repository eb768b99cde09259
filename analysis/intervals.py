"""Mean, spread and the 95 % t interval of a few rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean with its standard deviation and 95 % interval, all in the unit of the values.

    With one value nothing is known about the spread: ``sd``, ``low`` and ``high`` are NaN.
    """

    mean: float
    sd: float
    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and two-sided 95 % t interval over rounds; all NaN without a value."""
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
def t_quantile(probability: float, degrees_of_freedom: int) -> float:
    """The quantile of Student's t for 0.5 <= probability < 1 and whole degrees of freedom.

    Bisects on the angle atan(t / sqrt(df)), in which the distribution function is a finite sum.
    """
    if not 0.5 <= probability < 1 or degrees_of_freedom < 1:
        raise ValueError("needs 0.5 <= probability < 1 and at least one degree of freedom")
    central = 2 * probability - 1
    low, high = 0.0, math.pi / 2
    while (middle := (low + high) / 2) not in (low, high):
        if _central_probability(middle, degrees_of_freedom) < central:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees_of_freedom) * math.tan(low)


def _central_probability(angle: float, df: int) -> float:
    """P(-t < T < t) at angle = atan(t / sqrt(df)): Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    cosine_squared = math.cos(angle) ** 2
    odd = df % 2
    term = math.cos(angle) if odd else 1.0
    total = term if df > 1 else 0.0
    for k in range(2 + odd, df - 1, 2):
        term *= cosine_squared * (k - 1) / k
        total += term
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
