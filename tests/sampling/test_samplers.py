"""The samplers: steps, UNet calls, and exactness where the exact answer is known."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sd_bench.config.checks import uniform_steps_fit
from sd_bench.config.schema import ScheduleConfig
from sd_bench.sampling.ddim import DDIM
from sd_bench.sampling.dpm_solver import DPMSolver
from sd_bench.sampling.plms import PLMS
from sd_bench.sampling.sampler import Model, Sampler, to_noise, to_sample
from sd_bench.sampling.schedule import Schedule, make_schedule

SCHEDULE = make_schedule(ScheduleConfig())
ALLOWED_STEPS = [n for n in range(1, 101) if uniform_steps_fit(n, 1000)]


def no_noise() -> Tensor:
    raise AssertionError("a deterministic sampler asked for noise")


def sample(sampler: Sampler, model: Model, x: Tensor) -> tuple[Tensor, list[float], int]:
    """The result, the timesteps of the model calls, and the number of steps."""
    called: list[float] = []
    steps = []

    def recording(x: Tensor, t: float) -> Tensor:
        called.append(t)
        return model(x, t)

    out = sampler(recording, x, lambda: steps.append(1), no_noise)
    return out, called, len(steps)


def exact_model(x0: Tensor, prediction: str) -> Model:
    """A perfect prediction for data that consist of the single point ``x0``."""

    def model(x: Tensor, t: float) -> Tensor:
        log_signal = interpolated_log_signal(t)
        signal = math.exp(log_signal)
        noise_level = math.sqrt(1 - signal**2)
        eps = (x - signal * x0) / noise_level
        return eps if prediction == "eps" else signal * eps - noise_level * x0

    return model


def interpolated_log_signal(t: float) -> float:
    low = math.floor(t)
    high = min(low + 1, 999)
    logs = [0.5 * math.log(SCHEDULE.alphas_cumprod[i]) for i in (low, high)]
    return logs[0] + (t - low) * (logs[1] - logs[0])


def test_the_schedule_is_the_published_one() -> None:
    betas = [1 - SCHEDULE.alphas_cumprod[0]]
    betas += [1 - b / a for a, b in pairwise(SCHEDULE.alphas_cumprod)]
    assert betas[0] == pytest.approx(0.00085)
    assert betas[-1] == pytest.approx(0.0120)
    roots = [math.sqrt(b) for b in betas]
    assert roots[500] - roots[499] == pytest.approx((roots[-1] - roots[0]) / 999, rel=1e-6)
    assert SCHEDULE.alphas_cumprod[999] == pytest.approx(0.0047, abs=1e-4)


def test_fifty_steps_visit_the_published_timesteps() -> None:
    assert SCHEDULE.uniform_timesteps(50) == list(range(1, 1000, 20))
    assert SCHEDULE.previous_timesteps([1, 21, 41]) == [0, 1, 21]


def test_plms_makes_51_unet_calls_in_50_steps() -> None:
    sampler = PLMS(SCHEDULE, 50)
    _, called, steps = sample(sampler, lambda x, t: torch.zeros_like(x), torch.ones(1, 4, 2, 2))
    assert steps == 50
    assert len(called) == sampler.num_unet_calls == 51
    assert called[:3] == [981, 961, 961]
    assert called[-1] == 1


@pytest.mark.parametrize("steps", [2, 4, 50])
@pytest.mark.parametrize(
    ("name", "prediction"),
    [("plms", "eps"), ("ddim", "eps"), ("ddim", "v"), ("dpm_solver", "eps"), ("dpm_solver", "v")],
)
def test_a_perfect_model_is_led_to_its_data(name: str, steps: int, prediction: str) -> None:
    """With a single data point every deterministic sampler must end there.

    It may be off by the noise that the last timestep leaves.
    """
    samplers: dict[str, Sampler] = {
        "plms": PLMS(SCHEDULE, steps),
        "ddim": DDIM(SCHEDULE, steps, prediction),
        "dpm_solver": DPMSolver(SCHEDULE, steps, prediction),
    }
    torch.manual_seed(0)
    x0, x = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    out, called, counted = sample(samplers[name], exact_model(x0, prediction), x)
    assert counted == steps
    assert len(called) == samplers[name].num_unet_calls == steps + (name == "plms")
    left = math.sqrt(1 - SCHEDULE.alphas_cumprod[0])
    assert (out - x0).abs().max() < 6 * left + 0.02


def test_ddim_steps_are_the_papers_equation_12() -> None:
    torch.manual_seed(0)
    x, eps = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
    out, _, _ = sample(DDIM(SCHEDULE, 1, "eps"), lambda x, t: eps, x)
    a, b = SCHEDULE.alphas_cumprod[1], SCHEDULE.alphas_cumprod[0]
    expected = math.sqrt(b / a) * x + (math.sqrt(1 - b) - math.sqrt(b / a * (1 - a))) * eps
    torch.testing.assert_close(out, expected)


def test_ddim_with_eta_draws_noise_of_the_stated_deviation() -> None:
    x = torch.zeros(1, 4, 64, 64)
    draws: list[Tensor] = []

    def noise() -> Tensor:
        draws.append(torch.randn(x.shape, generator=torch.Generator().manual_seed(len(draws))))
        return draws[-1]

    sampler = DDIM(SCHEDULE, 2, "eps", eta=1.0)
    out = sampler(lambda x, t: torch.zeros_like(x), x, lambda: None, noise)
    alphas = SCHEDULE.alphas_cumprod
    assert len(draws) == 2
    first = sampler.sigma(alphas[501], alphas[1]) * draws[0]
    expected = first * math.sqrt(alphas[0] / alphas[1])
    expected = expected + sampler.sigma(alphas[1], alphas[0]) * draws[1]
    torch.testing.assert_close(out, expected)


def test_plms_weights_are_adams_bashforth() -> None:
    """The fourth-order rule integrates predictions that are a cubic of the step exactly."""
    from sd_bench.sampling.plms import _MULTISTEP_WEIGHTS

    for history, weights in _MULTISTEP_WEIGHTS.items():
        for power in range(history + 1):
            exact = 1 / (power + 1)  # the integral of s**power from 0 to 1
            estimate = sum(w * (-i) ** power for i, w in enumerate(weights))
            assert estimate == pytest.approx(exact)


def test_second_order_beats_first_order() -> None:
    """With few steps DPM-Solver++ is nearer to its limit than DDIM, on a smooth model."""

    def model(x: Tensor, t: float) -> Tensor:
        return torch.tanh(x) * (1 + t / 2000)

    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    limit, _, _ = sample(DPMSolver(SCHEDULE, 900, "eps"), model, x)
    solver, _, _ = sample(DPMSolver(SCHEDULE, 20, "eps"), model, x)
    ddim, _, _ = sample(DDIM(SCHEDULE, 20, "eps"), model, x)
    assert (solver - limit).norm() < 0.5 * (ddim - limit).norm()


@given(
    steps=st.sampled_from(ALLOWED_STEPS), a=st.floats(0.01, 0.99)
)  # fmt: skip
def test_conversions_invert_each_other(steps: int, a: float) -> None:
    torch.manual_seed(steps)
    x0, eps = torch.randn(2, 3), torch.randn(2, 3)
    x = math.sqrt(a) * x0 + math.sqrt(1 - a) * eps
    v = math.sqrt(a) * eps - math.sqrt(1 - a) * x0
    for prediction, output in (("eps", eps), ("v", v)):
        torch.testing.assert_close(to_sample(prediction, output, x, a), x0, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(to_noise(prediction, output, x, a), eps, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("steps", ALLOWED_STEPS)
def test_every_allowed_number_of_steps_stays_in_the_schedule(steps: int) -> None:
    timesteps = SCHEDULE.uniform_timesteps(steps)
    assert len(timesteps) == steps
    assert 1 <= timesteps[0] <= timesteps[-1] <= 999
    assert SCHEDULE.num_timesteps == 1000


def test_the_steps_that_do_not_fit_are_known() -> None:
    """37 divides 999, so its last timestep would be 1000, one past the schedule."""
    assert not uniform_steps_fit(37, 1000)
    assert not uniform_steps_fit(27, 1000)
    assert not uniform_steps_fit(30, 1000)
    assert {1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100} <= set(ALLOWED_STEPS)


def test_schedule_is_a_value() -> None:
    assert make_schedule(ScheduleConfig()) == Schedule(SCHEDULE.alphas_cumprod)
