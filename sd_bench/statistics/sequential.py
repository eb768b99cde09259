"""Look at a comparison repeatedly without inflating the error: group-sequential looks.

Testing after each round and stopping at the first significant result is wrong far more often than
the test's level says. Here the allowed error is spent gradually as rounds come in, by the error
spending functions of Lan and DeMets (1983), "Discrete sequential boundaries for clinical trials".
The levels of the looks follow from the spent error by the recursion of Armitage, McPherson and Rowe
(1969). A t quantile of the same level replaces the normal quantile, which is the significance level
approach of Pocock (1977) and of Jennison and Turnbull (2000, section 11.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

Numbers = NDArray[np.float64]

#: The share of tables that may contain a wrong verdict.
TABLE_ERROR = 0.05

#: The level of the plain 95 % interval of a single comparison.
PLAIN_LEVEL = 0.05

#: The share of the error that is kept for one extension of a sweep.
RESERVE = 0.2

#: Numbers of rounds after which a sweep looks, each about a quarter more than the last.
LOOKS = (6, 8, 10, 13, 16, 20, 25, 30, 38, 48, 60, 75, 95, 120)

_SPENDING_POWER = 2.0
_CLEAR = 10.0
_FARTHEST = 9.0
_GRID = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class LookPlan:
    """When a sweep looks, and the error that it may spend; fixed before the first round.

    ``looks`` are numbers of rounds; the sweep ends after the last. ``error`` is the chance of a
    wrong verdict in the table, ``reserve`` the share of it that is kept for an extension to twice
    the rounds, with the looks of `extension`. The spent error grows with the square of the rounds
    (Kim and DeMets 1987, rho = 2), between Pocock's and O'Brien and Fleming's; in the extension it
    grows in proportion to the added rounds.
    """

    looks: tuple[int, ...]
    error: float = TABLE_ERROR
    reserve: float = RESERVE

    def __post_init__(self) -> None:
        """Check the fields. Raises ValueError."""
        if not self.looks or self.looks[0] < 1 or sorted(set(self.looks)) != list(self.looks):
            raise ValueError(f"looks must be increasing numbers of rounds from 1, not {self.looks}")
        if not 0 < self.error < 1 or not 0 <= self.reserve < 1:
            raise ValueError("error must be between 0 and 1, and reserve at least 0 and below 1")

    @property
    def max_rounds(self) -> int:
        """The number of rounds at which the sweep ends if it is not extended."""
        return self.looks[-1]

    @property
    def extension(self) -> tuple[int, ...]:
        """The looks of the one extension, to twice the rounds; empty without a reserve."""
        if not self.reserve:
            return ()
        last = 2 * self.max_rounds
        return (*(n for n in LOOKS if self.max_rounds < n < last), last)

    @property
    def all_looks(self) -> tuple[int, ...]:
        """The looks of the sweep and of its extension."""
        return self.looks + self.extension

    def spent(self, rounds: int) -> float:
        """The error spent up to a look after ``rounds`` rounds."""
        planned = self.error * (1 - self.reserve)
        if rounds <= self.max_rounds:
            return planned * (rounds / self.max_rounds) ** _SPENDING_POWER
        share = min(1.0, (rounds - self.max_rounds) / self.max_rounds)
        return planned + self.error * self.reserve * share

    def level(self, rounds: int, family: int) -> float:
        """The two-sided level of one of ``family`` comparisons at a look after ``rounds`` rounds.

        It assumes that all planned looks before it took place; ``rounds`` itself need not be a
        planned look. Raises ValueError beyond the extension, where no error is left to spend.
        """
        if rounds > self.all_looks[-1]:
            raise ValueError(f"{rounds} rounds are more than the {self.all_looks[-1]} of the plan")
        looks = (*(n for n in self.all_looks if n < rounds), rounds)
        return look_levels(looks, tuple(self.spent(n) / family for n in looks))[-1]

    def least_difference(self, rounds: int, family: int) -> float:
        """The smallest difference that a look finds, in standard deviations of a round's log ratio.

        This holds for independent rounds; correlated ones need a larger difference.
        """
        quantile = float(stdtrit(rounds - 1, 1 - self.level(rounds, family) / 2))
        return quantile / math.sqrt(rounds)

    def can_decide(self, rounds: int, family: int) -> bool:
        """Whether ``rounds`` rounds decide a clear difference, of ten standard deviations."""
        enough = rounds >= fewest_rounds(self.error)
        return enough and self.least_difference(rounds, family) <= _CLEAR

    def smallest_deciding(self, family: int) -> int | None:
        """The first look at which a clear difference is decided; ``None`` if there is none."""
        return next((n for n in self.all_looks if self.can_decide(n, family)), None)


def plan_looks(max_rounds: int) -> LookPlan:
    """The plan of a sweep that ends when all is decided, or after ``max_rounds`` rounds."""
    return LookPlan(looks=(*(n for n in LOOKS if n < max_rounds), max_rounds))


def plan_fixed(rounds: int, reserve: float = RESERVE) -> LookPlan:
    """The plan of a sweep with a single look, at its end after ``rounds`` rounds."""
    return LookPlan(looks=(rounds,), reserve=reserve)


def equivalence_level(level: float | Numbers) -> Numbers:
    """The two-sided level of the interval that must be within the margin, at a look of ``level``.

    Two one-sided tests at ``level`` correspond to an interval at twice that level (Schuirmann
    1987). The interval is never narrower than the plain 95 % interval, so a verdict of ``same``
    never comes with a 95 % interval that exceeds the margin.
    """
    return np.minimum(2 * np.asarray(level), PLAIN_LEVEL)


def fewest_rounds(error: float = TABLE_ERROR) -> int:
    """The number of rounds below which there is no verdict, whatever the times: 6 at 5 % error.

    Flipping the signs of ``n`` ratios cannot give a p-value below ``2**(1 - n)``, so with fewer
    rounds every test relies on an assumed distribution. If signs are flipped for all comparisons of
    a table at once (Westfall and Young 1993), the smallest p-value is the same for a family of any
    size, so the family does not matter here.
    """
    return math.ceil(1 - math.log2(error))


def look_levels(looks: tuple[int, ...], spent: tuple[float, ...]) -> tuple[float, ...]:
    """The two-sided level of each look at which exactly the error ``spent`` is spent by then.

    The looks' statistics are those of a Brownian motion at the numbers of rounds. As in Armitage,
    McPherson and Rowe (1969), the density of paths that have not crossed a boundary yet is carried
    from look to look, integrated by Simpson's rule. A level is 0 if no more error is spent.
    """
    return tuple(_look(looks[:at], spent[:at]).level for at in range(1, len(looks) + 1))


class _Look(NamedTuple):
    """A look's level, and the distribution of the continuing paths: ``mass`` at ``places``."""

    level: float
    places: Numbers
    mass: Numbers


@cache
def _look(looks: tuple[int, ...], spent: tuple[float, ...]) -> _Look:
    """The last of ``looks``, computed from the one before it."""
    if not looks:
        return _Look(0.0, np.zeros(1), np.ones(1))
    before = _look(looks[:-1], spent[:-1])
    spend = spent[-1] - (spent[-2] if len(spent) > 1 else 0.0)
    step = math.sqrt(looks[-1] - (looks[-2] if len(looks) > 1 else 0))
    root = math.sqrt(looks[-1])
    bound = _bound(spend, before, step, root)
    edge = min(bound, _FARTHEST) * root
    places = np.linspace(-edge, edge, _GRID)
    steps = (places[:, None] - before.places) / step
    density = (np.exp(-(steps**2) / 2) / (step * math.sqrt(2 * math.pi))) @ before.mass
    return _Look(2 * float(ndtr(-bound)), places, density * _simpson(places[1] - places[0]))


def _bound(spend: float, before: _Look, step: float, root: float) -> float:
    """The boundary, in standard deviations, that continuing paths cross with chance ``spend``."""
    if spend <= 0:
        return math.inf
    low, high = 0.0, _FARTHEST
    for _ in range(60):
        middle = (low + high) / 2
        edge = middle * root
        crossing = ndtr((-edge - before.places) / step) + ndtr((before.places - edge) / step)
        low, high = (middle, high) if float(before.mass @ crossing) > spend else (low, middle)
    return (low + high) / 2


def _simpson(step: float) -> Numbers:
    weights = np.where(np.arange(_GRID) % 2, 4.0, 2.0) * step / 3
    weights[[0, -1]] = step / 3
    return weights
