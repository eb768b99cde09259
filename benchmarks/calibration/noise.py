"""Kinds of noise in the times of sweeps, as logarithms ``[tables, cells, rounds]``.

The first cell is the baseline. All cells of a table have the same true time, so that a difference
may be added to the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.serial_correlation import autoregressive

Numbers = NDArray[np.float64]
Size = tuple[int, int, int]

SPREAD = 0.005


def normal(chance: np.random.Generator, size: Size) -> Numbers:
    """Independent, with a coefficient of variation of 0.5 %."""
    return SPREAD * chance.standard_normal(size)


def coarse(chance: np.random.Generator, size: Size) -> Numbers:
    """Independent, with a coefficient of variation of 2 %."""
    return 4 * normal(chance, size)


def log_normal(chance: np.random.Generator, size: Size) -> Numbers:
    """Independent, with a long tail: a coefficient of variation of 10 %."""
    return 20 * normal(chance, size)


def bimodal(chance: np.random.Generator, size: Size) -> Numbers:
    """Each round is 5 % slower with a chance of one half."""
    return normal(chance, size) + math.log(1.05) * chance.integers(0, 2, size)


def two_speeds(chance: np.random.Generator, size: Size) -> Numbers:
    """Each round is 30 % slower with a chance of one half."""
    return normal(chance, size) + math.log(1.3) * chance.integers(0, 2, size)


def drifting(chance: np.random.Generator, size: Size) -> Numbers:
    """A device that becomes 5 % slower over the sweep, for all cells alike."""
    return normal(chance, size) + np.log(np.linspace(1, 1.05, size[-1]))


def unequal(chance: np.random.Generator, size: Size) -> Numbers:
    """Each cell has its own spread: 2 % in the baseline, 0.5 to 4 % in the others."""
    spreads = np.resize((4.0, 1.0, 1.0, 2.0, 4.0, 8.0), size[1])
    return normal(chance, size) * spreads[:, None]


def outliers(chance: np.random.Generator, size: Size) -> Numbers:
    """Two rounds in a hundred take five times as long."""
    return normal(chance, size) + math.log(5) * (chance.random(size) < 0.02)


def shared(chance: np.random.Generator, size: Size) -> Numbers:
    """Slow disturbances of the whole machine, over rounds that run one after another.

    A coefficient of variation of 2 %, and a correlation of 0.8 from one run to the next; the order
    of the cells is shuffled in each round, and each cell has independent noise as well.
    """
    tables, cells, rounds = size
    runs = 4 * SPREAD * autoregressive(chance, (tables, rounds * cells), 0.8)
    orders = np.argsort(chance.random((tables, rounds, cells)), axis=-1)
    by_cell = np.take_along_axis(runs.reshape(tables, rounds, cells), orders, axis=-1)
    return normal(chance, size) + by_cell.swapaxes(1, 2)


def correlated_03(chance: np.random.Generator, size: Size) -> Numbers:
    """AR(1) of 0.3 over the rounds of each cell."""
    return SPREAD * autoregressive(chance, size, 0.3)


def correlated_06(chance: np.random.Generator, size: Size) -> Numbers:
    """AR(1) of 0.6 over the rounds of each cell."""
    return SPREAD * autoregressive(chance, size, 0.6)


def correlated_08(chance: np.random.Generator, size: Size) -> Numbers:
    """AR(1) of 0.8 over the rounds of each cell: more than the rule is designed for."""
    return SPREAD * autoregressive(chance, size, 0.8)


def one_correlated(chance: np.random.Generator, size: Size) -> Numbers:
    """AR(1) of 0.6 in the baseline only."""
    noise = normal(chance, size)
    noise[:, 0] = correlated_06(chance, size)[:, 0]
    return noise


class Kind(NamedTuple):
    """A noise and its goals: most wrong tables and least coverage; 1 and 0 mean no goal."""

    draw: Callable[[np.random.Generator, Size], Numbers]
    most_wrong: float = 0.05
    least_cover: float = 0.93


KINDS = {
    "normal": Kind(normal),
    "coarse": Kind(coarse),
    "log-normal": Kind(log_normal),
    "bimodal": Kind(bimodal),
    "two speeds": Kind(two_speeds),
    "drift": Kind(drifting),
    "unequal variances": Kind(unequal),
    "2 % outliers of 5x": Kind(outliers),
    "shared by neighbours": Kind(shared),
    "AR(1) 0.3": Kind(correlated_03, most_wrong=0.07, least_cover=0.90),
    "AR(1) 0.6": Kind(correlated_06, most_wrong=0.12, least_cover=0.0),
    "AR(1) 0.8": Kind(correlated_08, most_wrong=1.0, least_cover=0.0),
    "AR(1) 0.6, baseline": Kind(one_correlated, most_wrong=0.12, least_cover=0.0),
}


def log_ratios(noise: Numbers, difference: float = 0.0) -> Numbers:
    """Log speed-ups ``[tables, comparisons, rounds]``; the cells are faster by ``difference``."""
    return noise[:, :1] - noise[:, 1:] + math.log1p(difference)
