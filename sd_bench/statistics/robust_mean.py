"""A mean that a few disturbed rounds do not change.

The generalized extreme Studentized deviate test (ESD) sets values aside that no noise of the rest
explains; mean and standard error are of the others. Without a disturbed value this is the ordinary
mean with its t interval, so that nothing is paid for the protection where it is not needed. All
functions work along the last axis, whatever stands before it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The chance that ESD sets a value aside where all are of one normal distribution. Such a value
#: makes an interval too short: at 1 in 100, wrong verdicts grow by a half at six rounds, at 1 in
#: 500 by a quarter, before anything else is paid for (docs/statistics.md).
ASIDE_ERROR = 0.002

#: At most this share of the values is set aside: one of 5 to 9, two of 10 to 14.
MOST_ASIDE = 0.2

#: Of logarithms of seconds without pairs, only what takes half as long again, or is so much faster,
#: is set aside. A machine with two speeds has rounds of the rarer one that no noise of the rest
#: explains, and yet they are what it does; in ratios of pairs the speeds of both sides mix, and
#: nothing of the kind is needed (docs/statistics.md).
LEAST_WITHOUT_PAIRS = float(np.log(1.5))

#: What lies between these multiples of the mean is ordinary if nothing differs: what is as far on
#: the other side of 0, and all up to half the way. Beyond that a value speaks for the mean.
ORDINARY = (-1.2, 0.5)

#: Where nothing differs, so few rounds are against a difference with at most this chance.
DOUBT = 0.05

_ROUNDING = 1e-12


class RobustMean(NamedTuple):
    """``center`` with its standard error ``se``, both in the unit of the values.

    ``df`` are the degrees of freedom of ``se``; ``kept`` has the shape of the values and is false
    for what was set aside. With fewer than two values ``se`` is NaN.
    """

    center: Numbers
    se: Numbers
    df: Numbers
    kept: Flags


def robust_mean(values: Numbers, least: float = 0.0) -> RobustMean:
    """Mean, standard error and kept values along the last axis of ``values`` ``[..., n]``.

    What lies nearer to the mean of the others than ``least`` is kept in any case.
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

    Takes away the value farthest from the mean of what is left, up to `MOST_ASIDE` of them, and
    believes the largest number of them whose last one is significant: two disturbed rounds cannot
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
    """Whether a mean other than 0 hangs on setting aside what is ordinary if there is none.

    Where nothing differs, a round is as likely to be so much below 0 as above, which is what a
    sign-flip test goes by (Fisher 1935). A value that was set aside, near 0 or hardly farther on
    the other side than the mean itself, may then be an ordinary one: of a machine with two speeds,
    five ratios of six can be alike by chance. Not so a round that took five times as long, nor one
    that differs as the others do, only by a little less or more; nor is one of ten enough, by the
    sign test.
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
    """Rosner's critical values, for the first value taken away to the last, of ``n``."""
    critical = []
    for left in range(n, n - int(MOST_ASIDE * n), -1):
        t = float(stdtrit(left - 2, 1 - ASIDE_ERROR / (2 * left)))
        critical.append((left - 1) * t / np.sqrt((left - 2 + t**2) * left))
    return tuple(critical)


def _sd(values: Numbers, kept: Flags, center: Numbers, count: NDArray[np.int64]) -> Numbers:
    """The standard deviation of the kept values; rounding noise of equal values is none."""
    squares = np.where(kept, (values - center[..., None]) ** 2, 0.0).sum(axis=-1)
    sd = np.sqrt(squares / (count - 1))
    return np.where(sd > _ROUNDING, sd, sd * 0.0)
