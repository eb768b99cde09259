"""A mean that a few disturbed rounds do not change.

The generalized extreme Studentized deviate test (ESD) sets aside values that the others' noise
cannot explain; mean and standard error are those of the others. Without a disturbed value this is
the ordinary mean with its t interval, so the protection costs nothing where it is not needed. All
functions work along the last axis of an array of any shape.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The chance that ESD sets a value aside if all are from one normal distribution. Setting such a
#: value aside makes an interval too short: at 1 in 100, wrong verdicts increase by a half at six
#: rounds, at 1 in 500 by a quarter, before any other correction (docs/statistics.md).
ASIDE_ERROR = 0.002

#: At most this share of the values is set aside: one of 5 to 9, two of 10 to 14.
MOST_ASIDE = 0.2

#: Without pairs, a round is set aside only if it is slower or faster than the others by this factor
#: (a logarithm). On a machine with two speeds the others' noise cannot explain rounds of the rarer
#: speed, but they are typical of it. In ratios of pairs the speeds of both sides mix, so no such
#: limit is needed (docs/statistics.md).
LEAST_WITHOUT_PAIRS = float(np.log(1.5))

#: Values between these multiples of the mean would be ordinary if there were no difference: about
#: as far away on the other side of 0, or up to halfway to the mean. Beyond, they support the mean.
ORDINARY = (-1.2, 0.5)

#: A difference is not doubtful if, without a difference, so few rounds would be against it with at
#: most this chance.
DOUBT = 0.05

_ROUNDING = 1e-12


class RobustMean(NamedTuple):
    """``center`` with its standard error ``se``, both in the unit of the values.

    ``df`` is the degrees of freedom of ``se``. ``kept`` has the shape of the values and is false
    for those that were set aside. With fewer than two values ``se`` is NaN.
    """

    center: Numbers
    se: Numbers
    df: Numbers
    kept: Flags


def robust_mean(values: Numbers, least: float = 0.0) -> RobustMean:
    """Mean, standard error and kept values along the last axis of ``values`` ``[..., n]``.

    A value closer than ``least`` to the mean of the others is always kept.
    """
    kept = ~find_disturbed(values)
    if least > 0:
        others = np.where(kept, values, 0.0).sum(axis=-1) / kept.sum(axis=-1)
        kept |= np.abs(values - others[..., None]) < least
    count = kept.sum(axis=-1)
    center = np.where(kept, values, 0.0).sum(axis=-1) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = _sd(values, kept, center, count)
        return RobustMean(center, sd / np.sqrt(count), count - 1.0, kept)


def find_disturbed(values: Numbers) -> Flags:
    """Which values ESD sets aside, by Rosner (1983), "Percentage points for a generalized ESD".

    It repeatedly removes the value farthest from the mean of those left, up to a share of
    `MOST_ASIDE`, and sets aside all up to the last significant one. So two disturbed rounds cannot
    hide each other, as they can from a test that stops at the first insignificant one.
    """
    n = values.shape[-1]
    kept = np.ones(values.shape, dtype=bool)
    found = np.zeros(values.shape, dtype=bool)
    for critical in _critical_values(n):
        count = kept.sum(axis=-1)
        center = np.where(kept, values, 0.0).sum(axis=-1) / count
        deviations = np.where(kept, np.abs(values - center[..., None]), -1.0)
        farthest = deviations.argmax(axis=-1)[..., None]
        sd = _sd(values, kept, center, count)
        kept = kept.copy()
        np.put_along_axis(kept, farthest, False, axis=-1)
        largest = np.take_along_axis(deviations, farthest, axis=-1)[..., 0]
        significant = largest > critical * np.maximum(sd, _ROUNDING)
        found = np.where(significant[..., None], ~kept, found)
    return found


def is_doubtful(values: Numbers, mean: RobustMean) -> Flags:
    """Whether a mean other than 0 depends on setting aside values that may be ordinary.

    If there is no difference, a round is as likely to be below 0 as equally far above it; a
    sign-flip test relies on this (Fisher 1935). A value that was set aside may then be ordinary if
    it is near 0, or on the other side and hardly farther from 0 than the mean: on a machine with
    two speeds, five of six ratios can agree by chance. A round that took five times as long is not
    ordinary, nor one that differs in the same direction as the others by a little less or more. One
    such value of ten does not make a difference doubtful, by the sign test.
    """
    center = mean.center[..., None]
    lowest, highest = (bound * np.abs(center) for bound in ORDINARY)
    toward = values * np.sign(center)
    ordinary = (lowest <= toward) & (toward <= highest)
    against = (ordinary & ~mean.kept).sum(axis=-1)
    chance = 2 * bdtr(against, values.shape[-1], 0.5)
    return np.asarray((against > 0) & (chance > DOUBT))


@cache
def _critical_values(n: int) -> tuple[float, ...]:
    """Rosner's critical values for ``n`` values, from the first value removed to the last."""
    critical = []
    for left in range(n, n - int(MOST_ASIDE * n), -1):
        t = float(stdtrit(left - 2, 1 - ASIDE_ERROR / (2 * left)))
        critical.append((left - 1) * t / np.sqrt((left - 2 + t**2) * left))
    return tuple(critical)


def _sd(values: Numbers, kept: Flags, center: Numbers, count: NDArray[np.int64]) -> Numbers:
    """The standard deviation of the kept values; rounding noise of equal values counts as 0."""
    squares = np.where(kept, (values - center[..., None]) ** 2, 0.0).sum(axis=-1)
    sd = np.sqrt(squares / (count - 1))
    return np.where(sd > _ROUNDING, sd, sd * 0.0)
