"""The sampling core: guidance, determinism, seeds, stages, every precision and sampler."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sd_bench.config.schema import Config
from sd_bench.implementations.ours import Ours
from sd_bench.sampling.inputs import image_seeds, make_batch
from sd_bench.sampling.text_to_image import Images, guided, text_to_image
from tests.support.composition import Compose
from tests.support.runnable import CPU_PRECISIONS

CPU = torch.device("cpu")


class Recorder:
    """Records the ends of stages and steps in order."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def step(self) -> None:
        self.ends.append("step")

    def stage(self, name: str) -> None:
        self.ends.append(name)


def generate(config: Config, iteration: int = 0, timer: Recorder | None = None) -> Images:
    pipeline = Ours(config, CPU)
    batch = make_batch(config, iteration, CPU)
    with pipeline.running():
        return text_to_image(
            pipeline, pipeline.sampler, config.workload.guidance_scale, batch, timer or Recorder()
        )


@pytest.mark.slow
def test_stages_and_steps_are_reported_in_order(tiny: Compose) -> None:
    recorder = Recorder()
    generate(tiny("sampler.steps=4"), timer=recorder)
    assert recorder.ends == ["text_encode", *["step"] * 4, "denoise", "vae_decode"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", CPU_PRECISIONS)
@pytest.mark.parametrize(
    ("model_version", "sampler"),
    [
        ("sd1_tiny", "plms"),
        ("sd2_tiny", "plms"),
        ("sd2_tiny", "ddim"),
        ("sd2_768_tiny", "ddim"),
        ("sd2_768_tiny", "dpm_solver"),
    ],
)
def test_every_model_and_sampler_gives_an_image_in_every_precision(
    compose_config: Compose, model_version: str, sampler: str, precision: str
) -> None:
    images = generate(
        compose_config(
            "gpu=cpu",
            f"model_version={model_version}",
            f"sampler={sampler}",
            f"precision={precision}",
            "workload.height=64",
            "workload.width=128",
            "batch_size=2",
            "sampler.steps=2",
        )
    )
    assert images.latents.dtype == torch.float32
    assert images.latents.shape == (2, 4, 8, 16)
    assert images.pixels.shape == (2, 3, 64, 128)
    assert images.pixels.isfinite().all()
    assert 0 <= images.pixels.min() <= images.pixels.max() <= 1
    assert images.pixels.std() > 0.05  # neither black nor uniform


@pytest.mark.slow
def test_precisions_agree_within_their_own_rounding(tiny: Compose) -> None:
    exact = generate(tiny("sampler.steps=2", "workload.guidance_scale=1")).latents
    for precision in CPU_PRECISIONS[:-1]:
        rounded = generate(
            tiny("sampler.steps=2", "workload.guidance_scale=1", f"precision={precision}")
        ).latents
        assert 0 < ((rounded - exact).norm() / exact.norm()).item() < 5e-2


@pytest.mark.slow
def test_the_same_seed_gives_the_same_image_bit_for_bit(tiny: Compose) -> None:
    first, second = generate(tiny()), generate(tiny())
    assert torch.equal(first.latents, second.latents)
    assert torch.equal(first.pixels, second.pixels)
    assert not torch.equal(first.latents, generate(tiny("workload.seed=2")).latents)


@pytest.mark.slow
def test_noise_of_image_i_is_bit_equal_at_every_batch_size(tiny: Compose) -> None:
    config = tiny("workload.batch_size=3")
    three = make_batch(config, 0, CPU).latents
    one = make_batch(tiny("workload.batch_size=1"), 0, CPU).latents
    assert torch.equal(three[:1], one)
    assert image_seeds(config, 0) == [1, 2, 3]
    assert image_seeds(config, 1) == [4, 5, 6]
    second = make_batch(tiny("workload.batch_size=1"), 1, CPU).latents
    assert torch.equal(three[1:2], second)


@pytest.mark.slow
def test_the_image_agrees_across_batch_sizes(tiny: Compose) -> None:
    """Kernels differ by batch size, so bits may; the picture may not."""
    one = generate(tiny("sampler.steps=2")).latents
    three = generate(tiny("sampler.steps=2", "workload.batch_size=3")).latents
    assert ((three[:1] - one).norm() / one.norm()).item() < 1e-3


class Affine:
    """A stand-in UNet with known output for the empty and the prompted half."""

    latent_scale = 1.0

    def encode_text(self, tokens: Tensor) -> Tensor:
        return tokens

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        self.timesteps = timesteps
        return x * context[:, :1, :1, None]

    def decode(self, latents: Tensor) -> Tensor:
        return latents


def test_guidance_extrapolates_from_the_empty_prompt_in_one_batch() -> None:
    networks = Affine()
    context = torch.cat([torch.full((2, 77, 1), 2.0), torch.full((2, 77, 1), 5.0)])
    out = guided(networks, context, 9.0)(torch.ones(2, 4, 8, 8), 981)
    assert torch.equal(out, torch.full((2, 4, 8, 8), 2.0 + 9.0 * (5.0 - 2.0)))
    assert networks.timesteps.tolist() == [981] * 4


@pytest.mark.slow
def test_the_prompt_and_the_guidance_change_the_image(tiny: Compose) -> None:
    base = generate(tiny("sampler.steps=2")).latents
    for override in ("prompt='Another photo'", "workload.guidance_scale=2"):
        assert not torch.allclose(generate(tiny("sampler.steps=2", override)).latents, base)
