"""A cell's rounds and its baseline's, paired: how much faster it is, by one statistic.

Speed-up, interval and both runtimes are of the same logarithms over the same rounds, so that
``baseline_s / cell_s`` is the speed-up, whatever was set aside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.robust_mean import RobustMean, robust_mean

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """A round that was set aside; ``seconds`` over the side's runtime is ``times`` the usual."""

    round: Any
    side: Literal["cell", "baseline"]
    times: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRounds:
    """Seconds of a cell and its baseline by round, in the order in which the rounds ran.

    ``rounds`` name the pairs; both arrays have a value for each.
    """

    rounds: tuple[Any, ...]
    baseline_s: Numbers
    cell_s: Numbers

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.rounds)

    @property
    def log_ratios(self) -> Numbers:
        """Logarithms of ``baseline / cell``: above 0, the cell is faster."""
        return np.log(self.baseline_s) - np.log(self.cell_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the pairs say, before anything is paid for their likeness.

    ``log_speedup`` with its standard error ``se`` and degrees of freedom ``df``; ``speedup`` is
    ``baseline_s / cell_s``, the geometric means in seconds over the kept rounds. ``residuals`` are
    the log ratios less their mean, 0 for what was set aside.
    """

    rounds: int
    log_speedup: float
    se: float
    df: float
    baseline_s: float
    cell_s: float
    residuals: Numbers
    disturbed: tuple[Disturbed, ...]

    @property
    def speedup(self) -> float:
        """Above 1 is faster."""
        return math.exp(self.log_speedup)


def pair_rounds(baseline_s: Mapping[Any, float], cell_s: Mapping[Any, float]) -> PairedRounds:
    """The rounds that both have, sorted by their keys; others have no partner.

    Seconds must be finite and above 0: raises ValueError.
    """
    shared = tuple(sorted(baseline_s.keys() & cell_s.keys()))
    return PairedRounds(
        rounds=shared,
        baseline_s=_seconds(baseline_s[key] for key in shared),
        cell_s=_seconds(cell_s[key] for key in shared),
    )


def estimate_speedup(pairs: PairedRounds) -> Estimate:
    """The robust mean of the log ratios; ``se`` is NaN with one pair. Raises ValueError without."""
    if not len(pairs):
        raise ValueError("no round that both cells have")
    ratios = pairs.log_ratios
    mean = robust_mean(ratios)
    kept = mean.kept
    return Estimate(
        rounds=len(pairs),
        log_speedup=float(mean.center),
        se=float(mean.se),
        df=float(mean.df),
        baseline_s=_geometric_mean(pairs.baseline_s[kept]),
        cell_s=_geometric_mean(pairs.cell_s[kept]),
        residuals=np.where(kept, ratios - mean.center, 0.0),
        disturbed=_disturbed(pairs, mean),
    )


def _seconds(values: Iterable[float]) -> Numbers:
    seconds = np.array(list(values), dtype=float)
    if not np.all(np.isfinite(seconds) & (seconds > 0)):
        raise ValueError("seconds must be finite and above 0")
    return seconds


def _geometric_mean(seconds: Numbers) -> float:
    return math.exp(float(np.log(seconds).mean()))


def _disturbed(pairs: PairedRounds, mean: RobustMean) -> tuple[Disturbed, ...]:
    """Each round set aside, with the side that is farther from its own usual runtime."""
    logs = {"baseline": np.log(pairs.baseline_s), "cell": np.log(pairs.cell_s)}
    off = {side: values - values[mean.kept].mean() for side, values in logs.items()}
    found = []
    for at in np.flatnonzero(~mean.kept):
        side: Literal["cell", "baseline"] = (
            "cell" if abs(off["cell"][at]) >= abs(off["baseline"][at]) else "baseline"
        )
        times = math.exp(float(off[side][at]))
        found.append(Disturbed(round=pairs.rounds[at], side=side, times=times))
    return tuple(found)
