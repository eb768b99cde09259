"""The UNet's and the autoencoder's behaviour beyond their shapes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd_bench.config.schema import Config
from sd_bench.implementations.our_networks import build_networks
from sd_bench.networks.transformer import TransformerBlock
from sd_bench.networks.unet import UNet, timestep_embedding
from tests.support.composition import Compose

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config(tiny: Compose) -> Config:
    return tiny("attention=original")


@pytest.fixture(scope="module")
def unet(config: Config) -> UNet:
    return build_networks(config, CPU)[1]


@torch.no_grad()
def run(unet: UNet, x: torch.Tensor, t: int = 500, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    context = torch.randn(len(x), 77, unet.config.context_dim, generator=generator)
    return unet(x, torch.full((len(x),), t), context)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 5), height=st.integers(1, 4), width=st.integers(1, 4)
)  # fmt: skip
def test_any_batch_and_any_multiple_of_8_keep_their_shape(
    unet: UNet, batch: int, height: int, width: int
) -> None:
    x = torch.randn(batch, 4, 8 * height, 8 * width)
    assert run(unet, x).shape == x.shape


def test_outputs_are_of_order_one(unet: UNet) -> None:
    out = run(unet, torch.randn(2, 4, 16, 16))
    assert 0.2 < out.std().item() < 3
    assert out.isfinite().all()


def test_timestep_and_text_change_the_output(unet: UNet) -> None:
    x = torch.randn(1, 4, 8, 8)
    base = run(unet, x)
    assert (run(unet, x, t=1) - base).norm() > 0.05 * base.norm()
    assert (run(unet, x, seed=1) - base).norm() > 0.05 * base.norm()


def test_images_of_a_batch_do_not_see_each_other(unet: UNet) -> None:
    x = torch.randn(3, 4, 8, 8)
    context = torch.randn(3, 77, unet.config.context_dim)
    with torch.no_grad():
        together = unet(x, torch.tensor([1, 500, 981]), context)
        alone = unet(x[1:2], torch.tensor([500]), context[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_activation_checkpointing_changes_no_output(tiny: Compose) -> None:
    plain = build_networks(tiny("attention=original"), CPU)[1]
    checkpointed = build_networks(
        tiny("attention=original", "model_version.unet.use_checkpoint=true"), CPU
    )[1]
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(run(plain, x), run(checkpointed, x))


@pytest.mark.slow
@pytest.mark.parametrize("model_version", ["sd1_tiny", "sd2_tiny"])
def test_the_transformers_features_stay_contiguous(
    compose_config: Compose, model_version: str
) -> None:
    """A transposed residual stream would cost every layer norm a strided copy."""
    config = compose_config("gpu=cpu", f"model_version={model_version}", "precision=fp32")
    unet = build_networks(config, CPU)[1]
    seen = []
    for module in unet.modules():
        if isinstance(module, TransformerBlock):
            module.norm2.register_forward_hook(
                lambda _, inputs, __: seen.append(inputs[0].is_contiguous())
            )
    run(unet, torch.randn(1, 4, 16, 16))
    assert seen == [True] * 16


def test_timestep_embedding_is_the_formula() -> None:
    embedded = timestep_embedding(torch.tensor([0, 981]), 8)
    frequencies = [math.exp(-math.log(10000) * i / 4) for i in range(4)]
    cosines = [math.cos(981 * f) for f in frequencies]
    sines = [math.sin(981 * f) for f in frequencies]
    torch.testing.assert_close(embedded[1], torch.tensor(cosines + sines), atol=1e-4, rtol=0)
    torch.testing.assert_close(embedded[0], torch.tensor([1.0] * 4 + [0.0] * 4))


def test_the_autoencoder_encodes_to_an_eighth_and_decodes_back(config: Config) -> None:
    autoencoder = build_networks(config, CPU)[2]
    image = torch.randn(2, 3, 64, 128).clamp(-1, 1)
    with torch.no_grad():
        mean, log_variance = autoencoder.encode(image)
        decoded = autoencoder.decode(mean)
    assert mean.shape == log_variance.shape == (2, 4, 8, 16)
    assert decoded.shape == image.shape
    assert -30 <= log_variance.min() <= log_variance.max() <= 20
    assert 0.1 < decoded.std().item() < 3
