"""The estimate of how much faster a cell is than its baseline.

Speed-up, interval and both runtimes are computed from the same logarithms of the same rounds, so
``baseline_s / cell_s`` is always the speed-up, whichever rounds were set aside.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Side = Literal["cell", "baseline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """A round that was set aside; it took ``times`` as long as its side's runtime."""

    round: Any
    side: Side
    times: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A comparison before any correction for serial correlation.

    ``rounds`` is the number of pairs or, without pairs, the smaller number of rounds of the two
    sides. ``log_speedup`` has the standard error ``se`` with ``df`` degrees of freedom.
    ``baseline_s`` and ``cell_s`` are geometric means in seconds over the kept rounds. ``residuals``
    are logarithms minus their mean, in the order in which the rounds ran, 0 for rounds that were
    set aside: one series for pairs, otherwise one per side. ``doubtful`` marks a difference that
    depends on setting aside rounds that would be ordinary if there were no difference
    (`robust_mean.is_doubtful`).
    """

    method: Literal["paired", "unpaired"]
    rounds: int
    log_speedup: float
    se: float
    df: float
    baseline_s: float
    cell_s: float
    residuals: tuple[Numbers, ...]
    disturbed: tuple[Disturbed, ...]
    doubtful: bool

    @property
    def speedup(self) -> float:
        """The baseline's runtime divided by the cell's; above 1 the cell is faster."""
        return math.exp(self.log_speedup)


def log_seconds(values: Sequence[float] | Sequence[Sequence[float]]) -> Numbers:
    """Logarithms of seconds, which must be finite and above 0: raises ValueError."""
    seconds = np.array(values, dtype=float)
    if not np.all(np.isfinite(seconds) & (seconds > 0)):
        raise ValueError("seconds must be finite and above 0")
    return np.log(seconds)


def group_by_length(series: Iterable[Sized]) -> list[list[int]]:
    """The places of series of the same length: as one array they need one computation."""
    places: dict[int, list[int]] = defaultdict(list)
    for at, values in enumerate(series):
        places[len(values)].append(at)
    return list(places.values())
