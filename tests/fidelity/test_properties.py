"""Any allowed size, batch and number of steps agrees with diffusers; others are refused."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd_bench.config.checks import check, uniform_steps_fit
from sd_bench.config.schema import SamplerConfig
from sd_bench.errors import ConfigError
from sd_bench.sampling.sampler_table import make_sampler
from tests.fidelity import schedulers
from tests.fidelity.comparison import NETWORK, TRAJECTORY
from tests.fidelity.networks import unet_error
from tests.fidelity.ours import fp32_config
from tests.fidelity.pipelines import our_images
from tests.fidelity.samplers import STAND_IN, our_trajectory, stand_in, trajectory_error

ALLOWED_STEPS = [steps for steps in range(1, 101) if uniform_steps_fit(steps, 1000)]
REFUSED_STEPS = [steps for steps in range(1, 101) if steps not in ALLOWED_STEPS]
side = st.integers(1, 4).map(lambda eighths: 8 * eighths)
few = settings(max_examples=10, deadline=None)


@pytest.mark.slow
@few
@given(model=st.sampled_from(["sd1_tiny", "sd2_tiny"]), batch=st.integers(1, 5), h=side, w=side)
def test_the_unet_is_diffusers_at_any_multiple_of_8_and_any_batch(
    model: str, batch: int, h: int, w: int
) -> None:
    pytest.importorskip("diffusers")
    assert unet_error(model, batch, h, w) <= NETWORK.limit


@few
@given(steps=st.sampled_from(ALLOWED_STEPS[1:]))
def test_plms_is_diffusers_at_any_allowed_number_of_steps_but_one(steps: int) -> None:
    """With one step diffusers omits the second UNet call, which the published code makes."""
    pytest.importorskip("diffusers")
    make = partial(schedulers.pndm, steps)
    assert trajectory_error("plms", steps, "eps", make, STAND_IN) <= TRAJECTORY.limit


@few
@given(
    steps=st.sampled_from(ALLOWED_STEPS),
    prediction=st.sampled_from(["eps", "v"]),
    eta=st.floats(0, 1),
)
def test_ddim_is_diffusers_at_any_allowed_number_of_steps(
    steps: int, prediction: str, eta: float
) -> None:
    pytest.importorskip("diffusers")
    make = partial(schedulers.ddim, steps, prediction)
    assert trajectory_error("ddim", steps, prediction, make, STAND_IN, eta) <= TRAJECTORY.limit


@few
@given(steps=st.integers(1, 100), prediction=st.sampled_from(["eps", "v"]))
def test_dpm_solver_is_diffusers_at_any_number_of_steps(steps: int, prediction: str) -> None:
    pytest.importorskip("diffusers")
    make = partial(schedulers.dpm_solver_uniform_in_time, steps, prediction)
    error = trajectory_error("dpm_solver", steps, prediction, make, STAND_IN)
    assert error <= TRAJECTORY.limit


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(
    sampler=st.sampled_from(["plms", "ddim", "dpm_solver"]),
    batch=st.integers(1, 5),
    height=st.sampled_from([64, 128]),
    width=st.sampled_from([64, 128, 192]),
)
def test_any_sampler_size_and_batch_gives_images(
    sampler: str, batch: int, height: int, width: int
) -> None:
    config = fp32_config("sd2_tiny", f"sampler={sampler}", "sampler.steps=2")
    config.workload.batch_size, config.workload.height, config.workload.width = batch, height, width
    check(config)
    _, images = our_images(config)
    assert images.latents.shape == (batch, 4, height // 8, width // 8)
    assert images.pixels.shape == (batch, 3, height, width)
    assert images.pixels.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["plms", "ddim", "dpm_solver"])
def test_every_number_of_steps_is_taken_or_refused(sampler: str) -> None:
    config = fp32_config("sd2_tiny", f"sampler={sampler}")
    for steps in range(1, 101):
        config.sampler.steps = steps
        if sampler == "dpm_solver" or steps in ALLOWED_STEPS:
            check(config)
            walk = our_trajectory(SamplerConfig(sampler, steps), "eps", stand_in("eps"), [])
            calls = make_sampler(config.sampler, config.model_version).num_unet_calls
            assert len(walk) == calls + 1
            assert all(torch.isfinite(x).all() for x in walk)
        else:
            with pytest.raises(ConfigError, match=rf"^sampler.steps={steps}: .*nearest that do: "):
                check(config)
    assert {1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100} <= set(ALLOWED_STEPS)
    assert {3, 7, 30, 37} <= set(REFUSED_STEPS)


@given(pixels=st.integers(-64, 1024).filter(lambda n: n <= 0 or n % 64))
@settings(deadline=None, max_examples=50)
def test_sizes_whose_latents_are_no_multiple_of_8_are_refused(pixels: int) -> None:
    config = fp32_config("sd2_tiny")
    for name in ("height", "width"):
        config.workload.height = config.workload.width = 64
        setattr(config.workload, name, pixels)
        with pytest.raises(ConfigError, match=rf"^workload.{name}={pixels}: must be a multiple"):
            check(config)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_none_is_refused(batch: int) -> None:
    config = fp32_config("sd2_tiny")
    config.workload.batch_size = batch
    with pytest.raises(ConfigError, match=rf"^workload.batch_size={batch}: must be at least 1"):
        check(config)
