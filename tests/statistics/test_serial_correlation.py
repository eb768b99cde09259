"""Rounds that resemble their neighbours: estimated, tested, and corrected for."""

import numpy as np
import pytest

from sd_bench.statistics.serial_correlation import (
    MOST_PHI,
    autoregressive,
    check_serial_correlation,
    draw_lag_one,
    estimate_phi,
    flag_power,
    lag_one,
    penalty,
    permutation_p,
    phi_to_pay,
)


def residuals(phi: float, size: tuple[int, ...], seed: int = 0) -> np.ndarray:
    noise = autoregressive(np.random.default_rng(seed), size, phi)
    return noise - noise.mean(axis=-1, keepdims=True)


def test_lag_one_is_the_products_of_neighbours_over_the_squares() -> None:
    assert float(lag_one(np.array([1.0, -2.0, 1.0, 0.0]))) == pytest.approx(-4 / 6)
    assert float(lag_one(np.zeros(5))) == 0


def test_simulated_noise_has_the_stated_correlation() -> None:
    noise = autoregressive(np.random.default_rng(0), (20000, 4), 0.6)
    assert np.atleast_2d(np.corrcoef(noise.T))[0] == pytest.approx([1, 0.6, 0.36, 0.216], abs=0.03)
    assert noise.std(axis=0) == pytest.approx([1, 1, 1, 1], abs=0.02)


@pytest.mark.parametrize("rounds", [6, 10, 20])
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_the_penalty_makes_standard_errors_true(phi: float, rounds: int) -> None:
    noise = autoregressive(np.random.default_rng(1), (20000, rounds), phi)
    claimed = np.sqrt((noise.var(axis=1, ddof=1) / rounds).mean())
    paid = claimed * float(penalty(np.asarray(phi), rounds).widening)
    assert paid == pytest.approx(noise.mean(axis=1).std(), rel=0.03)


def test_independent_rounds_cost_nothing() -> None:
    cost = penalty(np.asarray(0.0), 10)
    assert float(cost.widening) == pytest.approx(1)
    assert float(cost.df) == pytest.approx(9)


def test_the_moments_are_those_of_the_matrices_that_they_stand_for() -> None:
    n, phi = 7, 0.6
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    center = np.eye(n) - 1 / n
    correlation = phi**lags
    left = center @ correlation @ center
    cost = penalty(np.asarray(phi), n)
    variance = correlation.sum() / n**2 / (np.trace(left) / (n - 1) / n)
    assert float(cost.widening) == pytest.approx(np.sqrt(variance))
    assert float(cost.df) == pytest.approx(np.trace(left) ** 2 / np.trace(left @ left))


@pytest.mark.parametrize("rounds", [8, 10, 20])
@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_short_series_do_not_bias_the_estimate(phi: float, rounds: int) -> None:
    found = lag_one(residuals(phi, (400, 50, rounds)))
    estimates = estimate_phi(found, np.full(found.shape, rounds))
    assert np.mean(estimates) == pytest.approx(phi, abs=0.1)


def test_comparisons_of_different_lengths_are_pooled() -> None:
    short, long = (lag_one(residuals(0.5, (200, n))) for n in (6, 20))
    both = np.concatenate([short, long])
    rounds = np.array([6] * 200 + [20] * 200)
    assert float(estimate_phi(both, rounds)) == pytest.approx(0.5, abs=0.08)


def test_what_is_paid_for_is_above_the_estimate_and_within_bounds() -> None:
    found = np.linspace(-0.6, 0.9, 16)[:, None]
    rounds = np.full(found.shape, 10)
    paid = phi_to_pay(found, rounds)
    assert np.all(paid >= np.clip(estimate_phi(found, rounds), 0, MOST_PHI))
    assert paid.min() == 0
    assert paid.max() == MOST_PHI


def test_where_rounds_are_independent_one_table_in_twenty_is_flagged() -> None:
    ratios = residuals(0.0, (600, 3, 10))
    p = permutation_p(lag_one(ratios).mean(axis=1), draw_lag_one(ratios, 99).mean(axis=1))
    assert 0.03 < (p <= 0.05).mean() < 0.075


def test_draws_are_the_same_every_time_and_shared_by_equal_series() -> None:
    series = residuals(0.3, (2, 9))
    drawn = draw_lag_one(np.stack([series[0], series[0]]), 50)
    assert np.array_equal(drawn[0], drawn[1])
    assert np.allclose(drawn[0], draw_lag_one(series[0], 50))


def test_correlated_rounds_are_flagged_and_their_power_is_as_stated() -> None:
    flags = [
        check_serial_correlation(list(residuals(0.6, (3, 20), seed))).flagged for seed in range(60)
    ]
    assert np.mean(flags) == pytest.approx(flag_power(0.6, 20, 3), abs=0.15)


def test_an_alternating_series_is_not_flagged() -> None:
    found = check_serial_correlation([np.array([1.0, -1.0] * 6)])
    assert found.p > 0.9
    assert found.phi < -0.5
    assert found.assumed_phi == 0


def test_power_grows_with_rounds_comparisons_and_correlation() -> None:
    assert flag_power(0.3, 6, 5) < flag_power(0.3, 20, 5) < flag_power(0.6, 20, 5)
    assert flag_power(0.6, 10, 1) < flag_power(0.6, 10, 5)


def test_too_few_rounds_say_nothing() -> None:
    found = check_serial_correlation([np.array([0.1, -0.1, 0.0])])
    assert np.isnan(found.p)
    assert not found.flagged
    assert found.assumed_phi == 0
    assert found.power == {}
