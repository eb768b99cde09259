"""Serial correlation: how similar neighbouring rounds are, if by chance, and the correction for it.

A disturbance that lasts longer than a round makes neighbouring rounds similar. The mean of such
rounds varies more than their spread suggests, so intervals are too short and verdicts wrong. One
comparison of ten rounds cannot show this, but all comparisons of a table can, so they are pooled.
The model is a first-order autoregression, AR(1): each round's deviation is ``phi`` times the
previous one's, plus independent noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Rounds = NDArray[np.int64]

#: With fewer rounds serial correlation is neither tested nor corrected for.
FEWEST_ROUNDS = 4

#: Too low an estimate of ``phi`` makes intervals too short, too high a one only makes them long. So
#: the correction uses the estimate plus this many of its standard errors; the number was chosen by
#: simulation (docs/statistics.md).
CAUTION = 0.1

#: The largest correlation that is corrected for. Six independent rounds look more correlated in one
#: table of eight, and correcting for that would hide obvious differences (docs/statistics.md).
MOST_PHI = 0.7

#: The chance of a flag if rounds are independent.
FLAG_ERROR = 0.05

_DRAWS, _TABLES_AT_ONCE = 999, 40
_PHI = np.linspace(-0.9, 0.95, 75)

#: Comparisons with one baseline share its noise: their ratios correlate by 0.5, their lag-one
#: autocorrelations by the square of that.
_SHARED = 0.25


class Penalty(NamedTuple):
    """The correction for serial correlation: a factor on the standard error, degrees of freedom.

    ``df`` is for the case that no round was set aside.
    """

    widening: Numbers
    df: Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class SerialCorrelation:
    """The serial correlation of a table's rounds, over all of its comparisons.

    ``phi`` is the estimate, corrected for the bias of short series; NaN if there are too few
    rounds. ``assumed_phi`` is the value that intervals were corrected for. ``series`` are the
    residuals.
    """

    phi: float = np.nan
    assumed_phi: float = 0.0
    series: Sequence[Numbers] = field(default=(), repr=False)

    @cached_property
    def p(self) -> float:
        """The one-sided p-value of a permutation test; NaN if there are too few rounds."""
        if not self.series:
            return np.nan
        found = np.mean([lag_one(values) for values in self.series], axis=0)
        drawn = np.mean([draw_lag_one(values) for values in self.series], axis=0)
        return float(permutation_p(found, drawn))

    @property
    def power(self) -> dict[float, float]:
        """The chance of a flag if ``phi`` were 0.3 and 0.6."""
        if not self.series:
            return {}
        typical = round(float(np.mean([len(values) for values in self.series])))
        return {phi: flag_power(phi, typical, len(self.series)) for phi in (0.3, 0.6)}

    @property
    def flagged(self) -> bool:
        """Whether the correlation is significant, so that a reader should know about it."""
        return self.p <= FLAG_ERROR


def lag_one(residuals: Numbers) -> Numbers:
    """The lag-one autocorrelation of residuals ``[..., n]`` that sum to 0; 0 if all are 0."""
    squares = (residuals**2).sum(axis=-1)
    products = (residuals[..., 1:] * residuals[..., :-1]).sum(axis=-1)
    return np.divide(products, squares, out=np.zeros_like(squares), where=squares > 0)


def estimate_phi(autocorrelations: Numbers, rounds: Rounds) -> Numbers:
    """``phi`` of tables whose comparisons ``[..., m]`` have these lag-one autocorrelations.

    The autocorrelation of a short series is too low on average, by about ``(1 + 3 phi) / n``
    (Marriott and Pope 1954, Kendall 1954). The estimate is the ``phi`` at which the observed mean
    over the comparisons is expected. ``rounds`` ``[..., m]`` are their numbers of rounds.
    """
    return _phi_for(autocorrelations.mean(axis=-1), _expected(rounds))


def phi_to_pay(autocorrelations: Numbers, rounds: Rounds, caution: float = CAUTION) -> Numbers:
    """The ``phi`` to correct for: the estimate and ``caution`` standard errors, 0 to `MOST_PHI`."""
    found = autocorrelations.mean(axis=-1) + caution * _standard_error(rounds)
    return np.clip(_phi_for(found, _expected(rounds)), 0.0, MOST_PHI)


def penalty(phi: Numbers, rounds: int) -> Penalty:
    """The correction of a mean of ``rounds`` rounds for serial correlation ``phi``.

    The factor is from the variance of the mean relative to that of independent rounds with the same
    sample variance (the inverse of Bayley and Hammersley's (1946) effective sample size, for this
    number of rounds). The degrees of freedom are Satterthwaite's (1946) for that sample variance.
    """
    moments = _moments(rounds)
    return Penalty(np.interp(phi, _PHI, moments.widening), np.interp(phi, _PHI, moments.df))


def draw_lag_one(residuals: Numbers, draws: int = _DRAWS) -> Numbers:
    """Lag-one autocorrelations ``[..., draws]`` of residuals ``[..., n]`` in random orders.

    Series of the same length are put into the same orders; a shorter one into those of a longer one
    without the last rounds. So what comparisons have in common is also common to their draws.
    """
    drawn = residuals[..., _orders(draws, residuals.shape[-1])]  # [..., n, draws]
    products = (drawn[..., 1:, :] * drawn[..., :-1, :]).sum(axis=-2)
    squares = (residuals**2).sum(axis=-1)[..., None]
    return np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)


def permutation_p(autocorrelation: Numbers, drawn: Numbers) -> Numbers:
    """The share of orders, including the actual one, with at least this mean autocorrelation.

    The permutation test of Wald and Wolfowitz (1943), over several series at once. It is one-sided,
    because an alternating series only makes intervals too long, which is harmless. It is exact if
    rounds are exchangeable. ``autocorrelation`` is ``[...]``, ``drawn`` ``[..., draws]``.
    """
    as_large = drawn >= autocorrelation[..., None] - 1e-12
    return (1 + as_large.sum(axis=-1)) / (1 + drawn.shape[-1])


def check_serial_correlation(residuals: Sequence[Numbers]) -> SerialCorrelation:
    """Test all comparisons of a table together, given the residuals of each in the rounds' order.

    Rounds that were set aside have the residual 0. Series of fewer than `FEWEST_ROUNDS` are left
    out. The power is for comparisons with a common baseline; for unpaired ones it is a little
    higher.
    """
    series = [values for values in residuals if len(values) >= FEWEST_ROUNDS]
    if not series:
        return SerialCorrelation()
    found = np.array([float(lag_one(values)) for values in series])
    rounds = np.array([len(values) for values in series])
    return SerialCorrelation(
        phi=float(estimate_phi(found, rounds)),
        assumed_phi=float(phi_to_pay(found, rounds)),
        series=series,
    )


@cache
def flag_power(phi: float, rounds: int, comparisons: int, tables: int = 1000) -> float:
    """The chance of a flag at ``phi``, by simulating tables of ``comparisons`` comparisons.

    All cells, including the baseline that they share, have independent AR(1) noise.
    """
    chance = np.random.default_rng((rounds, comparisons))
    independent, correlated = (
        np.concatenate(
            [
                _pooled_lag_one(autoregressive(chance, (part, comparisons + 1, rounds), value))
                for part in _split(tables)
            ]
        )
        for value in (0.0, phi)
    )
    return float(np.mean(correlated > np.quantile(independent, 1 - FLAG_ERROR)))


def autoregressive(
    chance: np.random.Generator, size: tuple[int, ...], phi: float
) -> NDArray[np.float64]:
    """Stationary AR(1) noise of variance 1 along the last axis."""
    noise = chance.standard_normal(size)
    news = np.sqrt(1 - phi**2)
    for at in range(1, size[-1]):
        noise[..., at] = phi * noise[..., at - 1] + news * noise[..., at]
    return noise


class _Moments(NamedTuple):
    """For each ``phi`` of the grid: the expected lag-one autocorrelation, and the penalty."""

    lag_one: Numbers
    widening: Numbers
    df: Numbers


@cache
def _moments(n: int) -> _Moments:
    """The moments of ``n`` rounds with the correlations ``R = phi**|i - j|``, minus their mean.

    The residuals' covariance is ``A = M R M``, where ``M`` subtracts the mean. The sum of squares
    has the mean ``tr A`` and the variance ``2 tr A A``. The sum of products of neighbours has the
    mean ``tr L A``, where ``L`` selects neighbours, and the covariance ``2 tr L A A`` with the
    squares. From these follows the mean of their ratio, to second order. The variance of the mean
    of all rounds is ``sum R / n**2``.
    """
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    moments = []
    for phi in _PHI:
        correlation = np.power(phi, lags)
        rows = correlation.mean(axis=1)
        a = correlation - rows - rows[:, None] + rows.mean()
        squares, products = np.trace(a), np.trace(a, offset=1)
        spread, common = 2 * (a * a).sum(), 2 * (a[1:] * a[:-1]).sum()
        ratio = (products - common / squares + products * spread / squares**2) / squares
        widening = np.sqrt(n * rows.mean() * (n - 1) / squares)
        moments.append((ratio, widening, 2 * squares**2 / spread))
    return _Moments(*np.array(moments).T)


def _expected(rounds: Rounds) -> Numbers:
    """The expected mean lag-one autocorrelation of tables ``[..., m]``, for each ``phi``."""
    expected = np.zeros((*rounds.shape[:-1], len(_PHI)))
    for n in np.unique(rounds):
        expected += (rounds == n).mean(axis=-1)[..., None] * _moments(int(n)).lag_one
    return expected


def _phi_for(lag_one: Numbers, expected: Numbers) -> Numbers:
    """The ``phi`` at which ``lag_one`` is expected, by linear interpolation."""
    at = np.clip((expected < lag_one[..., None]).sum(axis=-1), 1, len(_PHI) - 1)
    low, high = (np.take_along_axis(expected, i[..., None], -1)[..., 0] for i in (at - 1, at))
    share = np.clip((lag_one - low) / (high - low), 0.0, 1.0)
    return _PHI[at - 1] + share * (_PHI[at] - _PHI[at - 1])


def _standard_error(rounds: Rounds) -> Numbers:
    """The standard error of the mean of ``m`` lag-one autocorrelations of independent rounds.

    A single one has the variance ``(n - 2)**2 / (n**2 (n - 1))`` (Moran 1948).
    """
    n, m = rounds.mean(axis=-1), rounds.shape[-1]
    single = (n - 2) / (n * np.sqrt(n - 1))
    return single * np.sqrt(_SHARED + (1 - _SHARED) / m)


@cache
def _orders(draws: int, n: int) -> NDArray[np.int64]:
    """Orders ``[n, draws]`` by chance."""
    return np.ascontiguousarray(np.argsort(_sort_keys(draws, n), axis=1).T)


@cache
def _sort_keys(draws: int, n: int) -> Numbers:
    """Random keys ``[draws, n]``, whose order is a permutation; a larger ``n`` extends each row."""
    return np.stack([np.random.default_rng((draws, at)).random(draws) for at in range(n)], axis=1)


def _split(tables: int) -> Iterator[int]:
    """As many tables in parts: a thousand of thousands of comparisons would fill the memory."""
    for begin in range(0, tables, _TABLES_AT_ONCE):
        yield min(_TABLES_AT_ONCE, tables - begin)


def _pooled_lag_one(noise: Numbers) -> Numbers:
    ratios = noise[:, :1] - noise[:, 1:]
    return lag_one(ratios - ratios.mean(axis=-1, keepdims=True)).mean(axis=-1)
