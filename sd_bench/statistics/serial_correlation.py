"""Rounds that resemble their neighbours: how much, whether that is chance, and what it costs.

A disturbance that lasts longer than a round makes neighbouring rounds alike. The mean of such
rounds varies more than their spread says, so that intervals are too short and verdicts wrong. One
comparison of ten rounds cannot tell; the comparisons of a table together can, so they are pooled.
The model is an autoregression of first order, AR(1): each round's deviation is ``phi`` times the
last one's, plus news.
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

#: Fewer rounds say nothing of their neighbours' likeness: no widening, no test.
FEWEST_ROUNDS = 4

#: An estimate of ``phi`` that misses it from below makes intervals too short, one from above only
#: long. So what is paid for is the estimate and this many of its standard errors, chosen by
#: simulation (docs/statistics.md).
CAUTION = 0.1

#: The strongest correlation that is paid for. Six independent rounds look like more in one table
#: of eight, and paying for that would hide differences that anyone can see (docs/statistics.md).
MOST_PHI = 0.7

#: The chance of a flag where rounds are independent.
FLAG_ERROR = 0.05

_DRAWS, _TABLES_AT_ONCE = 999, 40
_PHI = np.linspace(-0.9, 0.95, 75)

#: Comparisons with one baseline share its noise: their lag-one autocorrelations correlate by the
#: square of the 0.5 that their ratios do.
_SHARED = 0.25


class Penalty(NamedTuple):
    """What serial correlation costs: a factor on the standard error, and degrees of freedom.

    ``df`` is for rounds of which none is set aside.
    """

    widening: Numbers
    df: Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class SerialCorrelation:
    """The test of one table's rounds, over all of its comparisons.

    ``phi`` is the estimate, corrected for the bias of short series, NaN where there are too few
    rounds; ``assumed_phi`` is what the intervals were widened for. ``series`` are the residuals.
    """

    phi: float = np.nan
    assumed_phi: float = 0.0
    series: Sequence[Numbers] = field(default=(), repr=False)

    @cached_property
    def p(self) -> float:
        """One-sided, by exchanging rounds; NaN where there are too few."""
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
        """Whether a reader should know of it."""
        return self.p <= FLAG_ERROR


def lag_one(residuals: Numbers) -> Numbers:
    """The lag-one autocorrelation of residuals ``[..., n]`` that sum to 0; 0 if all are 0."""
    squares = (residuals**2).sum(axis=-1)
    products = (residuals[..., 1:] * residuals[..., :-1]).sum(axis=-1)
    return np.divide(products, squares, out=np.zeros_like(squares), where=squares > 0)


def estimate_phi(autocorrelations: Numbers, rounds: Rounds) -> Numbers:
    """``phi`` of tables whose comparisons ``[..., m]`` have these lag-one autocorrelations.

    The autocorrelation of a short series is too low on average, by about ``(1 + 3 phi) / n``
    (Marriott and Pope 1954, Kendall 1954): the estimate is the ``phi`` for which the mean over
    the comparisons would be expected. ``rounds`` ``[..., m]`` are their numbers of rounds.
    """
    return _phi_for(autocorrelations.mean(axis=-1), _expected(rounds))


def phi_to_pay(autocorrelations: Numbers, rounds: Rounds, caution: float = CAUTION) -> Numbers:
    """The ``phi`` that intervals are widened for, 0 to `MOST_PHI`: the estimate with `CAUTION`."""
    found = autocorrelations.mean(axis=-1) + caution * _standard_error(rounds)
    return np.clip(_phi_for(found, _expected(rounds)), 0.0, MOST_PHI)


def penalty(phi: Numbers, rounds: int) -> Penalty:
    """The cost of serial correlation ``phi`` for a mean of so many rounds.

    The variance of the mean over what independent rounds of the same sample variance would have
    (the inverse of Bayley and Hammersley's (1946) effective sample size, for this number of
    rounds), and Satterthwaite's (1946) degrees of freedom of that sample variance.
    """
    moments = _moments(rounds)
    return Penalty(np.interp(phi, _PHI, moments.widening), np.interp(phi, _PHI, moments.df))


def draw_lag_one(residuals: Numbers, draws: int = _DRAWS) -> Numbers:
    """Lag-one autocorrelations ``[..., draws]`` of residuals ``[..., n]`` in orders by chance.

    The orders are the same for series of the same length, and alike for others: those of a longer
    one without its last rounds. So what comparisons share is shared by their draws.
    """
    drawn = residuals[..., _orders(draws, residuals.shape[-1])]  # [..., n, draws]
    products = (drawn[..., 1:, :] * drawn[..., :-1, :]).sum(axis=-2)
    squares = (residuals**2).sum(axis=-1)[..., None]
    return np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)


def permutation_p(autocorrelation: Numbers, drawn: Numbers) -> Numbers:
    """The share of orders with at least this mean autocorrelation, the one found among them.

    The permutation test of Wald and Wolfowitz (1943), over several series at once. One-sided: an
    alternating series makes intervals too long, which is harmless. Exact where rounds are
    exchangeable. ``autocorrelation`` ``[...]``, ``drawn`` ``[..., draws]``.
    """
    as_large = drawn >= autocorrelation[..., None] - 1e-12
    return (1 + as_large.sum(axis=-1)) / (1 + drawn.shape[-1])


def check_serial_correlation(residuals: Sequence[Numbers]) -> SerialCorrelation:
    """Test the comparisons of a table together; each gives the residuals of its rounds in order.

    What was set aside has the residual 0. Series of fewer than `FEWEST_ROUNDS` are left out. The
    power is that of comparisons with a common baseline; of unpaired ones, it is a little higher.
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
    """The chance of a flag at ``phi``, by simulating tables of so many comparisons.

    All cells, the baseline that they share among them, have independent AR(1) noise.
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
    """AR(1) noise of variance 1 along the last axis, which has been going on for ever."""
    noise = chance.standard_normal(size)
    news = np.sqrt(1 - phi**2)
    for at in range(1, size[-1]):
        noise[..., at] = phi * noise[..., at - 1] + news * noise[..., at]
    return noise


class _Moments(NamedTuple):
    """For each ``phi`` of the grid: the lag-one autocorrelation to expect, and the penalty."""

    lag_one: Numbers
    widening: Numbers
    df: Numbers


@cache
def _moments(n: int) -> _Moments:
    """Of ``n`` rounds with the correlations ``R = phi**|i - j|``, less their mean.

    The residuals' covariance is ``A = M R M``, ``M`` taking the mean away. The sum of their squares
    has the mean ``tr A`` and the variance ``2 tr A A``, that of neighbours' products the mean
    ``tr L A``, ``L`` picking neighbours, and with the squares the covariance ``2 tr L A A``: so the
    mean of their ratio, to second order. The variance of the mean of all is ``sum R / n**2``.
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
    """The mean lag-one autocorrelation to expect of tables ``[..., m]``, for each ``phi``."""
    expected = np.zeros((*rounds.shape[:-1], len(_PHI)))
    for n in np.unique(rounds):
        expected += (rounds == n).mean(axis=-1)[..., None] * _moments(int(n)).lag_one
    return expected


def _phi_for(lag_one: Numbers, expected: Numbers) -> Numbers:
    """The ``phi`` at which so much is to be expected, by linear interpolation."""
    at = np.clip((expected < lag_one[..., None]).sum(axis=-1), 1, len(_PHI) - 1)
    low, high = (np.take_along_axis(expected, i[..., None], -1)[..., 0] for i in (at - 1, at))
    share = np.clip((lag_one - low) / (high - low), 0.0, 1.0)
    return _PHI[at - 1] + share * (_PHI[at] - _PHI[at - 1])


def _standard_error(rounds: Rounds) -> Numbers:
    """Of the mean of ``m`` lag-one autocorrelations of independent rounds.

    Moran (1948): a single one has the variance ``(n - 2)**2 / (n**2 (n - 1))``.
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
    """Keys ``[draws, n]`` whose order is a permutation; each row of a longer one begins alike."""
    return np.stack([np.random.default_rng((draws, at)).random(draws) for at in range(n)], axis=1)


def _split(tables: int) -> Iterator[int]:
    """As many tables in parts: a thousand of thousands of comparisons would fill the memory."""
    for begin in range(0, tables, _TABLES_AT_ONCE):
        yield min(_TABLES_AT_ONCE, tables - begin)


def _pooled_lag_one(noise: Numbers) -> Numbers:
    ratios = noise[:, :1] - noise[:, 1:]
    return lag_one(ratios - ratios.mean(axis=-1, keepdims=True)).mean(axis=-1)
