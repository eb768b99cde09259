"""Each optimization of this project's networks gives the same picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sd_bench.capabilities.torch_compat import TORCH_VERSION
from sd_bench.capabilities.torch_features import can
from sd_bench.config.schema import Config
from sd_bench.implementations.building import build
from sd_bench.implementations.ours import Ours
from sd_bench.measurement.unet_call import UNetCall
from sd_bench.networks import onednn, packed_layers
from sd_bench.networks.conditioned_unet import ConditionedUNet
from sd_bench.networks.packed_layers import PackedConv2d, PackedLinear, ProductConv2d
from tests.support.composition import Compose
from tests.support.implementations import CPU, eager_proof, images_of
from tests.support.runnable import needs_sdpa

ALL = (
    "channels_last",
    "packed_weights",
    "fused_epilogues",
    "matmul_convolutions",
    "cached_prompt",
    "cached_timesteps",
    "sliced_decoding",
)
WAYS = (
    ("packed_weights",),
    ("matmul_convolutions",),
    ("packed_weights", "matmul_convolutions"),
    ("packed_weights", "fused_epilogues"),
    ("cached_prompt",),
    ("cached_timesteps",),
    ("sliced_decoding",),
    ALL,
)
HAS_PACKED = can(TORCH_VERSION, "packed oneDNN weights")
needs_packed = pytest.mark.skipif(not HAS_PACKED, reason="needs packed weights: PyTorch 2.15")
SIZE = ("workload.height=64", "workload.width=64")


def cell(compose_config: Compose, names: tuple[str, ...], *overrides: str) -> Config:
    switched_on = (f"optimizations.{name}=true" for name in names)
    return compose_config("gpu=cpu", *SIZE, "sampler.steps=2", *overrides, *switched_on)


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.slow
@needs_packed
@pytest.mark.parametrize(
    ("model_version", "attention", "ways"),
    [("sd2_tiny", "original", WAYS), ("sd1_tiny", "math", (ALL,)), ("sd2_tiny", "math", (ALL,))],
)
def test_every_optimization_leaves_the_picture_as_it_is(
    compose_config: Compose, model_version: str, attention: str, ways: tuple[tuple[str, ...], ...]
) -> None:
    overrides = (
        *(f"model_version={model_version}", f"attention={attention}"),
        *("precision=fp32", "batch_size=2", "attention.upcast=false"),
    )
    reference = images_of(cell(compose_config, (), *overrides))
    for names in ways:
        images = images_of(cell(compose_config, names, *overrides))
        assert distance(images.latents, reference.latents) < 1e-4, names
        assert distance(images.pixels, reference.pixels) < 1e-4, names


@pytest.mark.slow
@needs_packed
@pytest.mark.skipif(
    HAS_PACKED and onednn.why_no_packed_weights(torch.bfloat16) is not None,
    reason="oneDNN has no bf16 on this processor",
)
def test_in_bf16_it_is_as_far_from_fp32_as_without(compose_config: Compose) -> None:
    overrides = ("model_version=sd2_tiny", "attention=math")
    exact = images_of(cell(compose_config, (), *overrides, "precision=fp32")).latents
    plain = images_of(cell(compose_config, (), *overrides, "precision=bf16")).latents
    all_on = images_of(cell(compose_config, ALL, *overrides, "precision=bf16")).latents
    assert distance(all_on, exact) < 1.5 * distance(plain, exact)


@pytest.mark.slow
@needs_packed
@pytest.mark.parametrize("names", [(), ALL])
@pytest.mark.parametrize("attention", ["original", "math"])
def test_the_kernel_is_proven_as_named(
    compose_config: Compose, attention: str, names: tuple[str, ...]
) -> None:
    overrides = ("model_version=sd2_tiny", f"attention={attention}", "precision=fp32")
    implementation = build(cell(compose_config, names, *overrides, "sampler.steps=2"), CPU)
    proof = eager_proof_at(implementation)
    assert proof.proven, proof.detail


def eager_proof_at(implementation: Any) -> Any:
    """``eager_proof`` at a timestep of the sampler."""
    original = implementation.predict
    at = max(implementation.sampler.timesteps)
    implementation.predict = lambda x, _, context: original(x, torch.full((len(x),), at), context)
    return eager_proof(implementation)


def count_calls(module: Any) -> list[int]:
    """A list that grows by one at each call of ``module``."""
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


@pytest.mark.slow
@needs_sdpa
def test_prompt_and_timesteps_are_projected_once_per_image(compose_config: Compose) -> None:
    names = ("cached_prompt", "cached_timesteps")
    config = cell(compose_config, names, "model_version=sd2_tiny", "attention=original")
    ours = Ours(config, CPU)
    keys = count_calls(ours.unet.attending_blocks()[0].attn2.to_k)
    times, outputs = count_calls(ours.unet.time_embed), count_calls(ours.unet.out)
    for image in (1, 2):
        images_of(config, ours)
        assert len(keys) == len(times) == image
        assert len(outputs) > 2 * image


@pytest.mark.slow
@needs_sdpa
@pytest.mark.parametrize("sampler", ["plms", "ddim", "dpm_solver"])
def test_a_cached_timestep_is_the_one_asked_for(compose_config: Compose, sampler: str) -> None:
    config = cell(
        compose_config,
        ("cached_timesteps",),
        *("model_version=sd2_tiny", "attention=original", "precision=fp32", f"sampler={sampler}"),
    )
    ours = Ours(config, CPU)
    x, context = torch.randn(2, 4, 8, 8), torch.randn(2, 77, ours.unet.config.context_dim)
    with ours.running():
        for t in ours.sampler.timesteps:
            timesteps = torch.full((2,), t)
            assert (
                distance(ours.predict(x, timesteps, context), ours.unet(x, timesteps, context))
                < 1e-5
            )
        with pytest.raises(
            ValueError, match=r"timestep 3\.25 is not one of the sampler's timesteps"
        ):
            ours.predict(x, torch.full((2,), 3.25), context)


def convolution(channels: int, **options: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(channels, 24, **{"kernel_size": 3, "padding": 1, **options})


@needs_packed
@pytest.mark.parametrize("size", [(3, 5), (8, 8), (40, 24)])
@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"kernel_size": 1, "padding": 0}, {"bias": False}]
)
@torch.no_grad()
def test_packed_convolutions_are_convolutions(
    size: tuple[int, int], options: dict[str, Any]
) -> None:
    conv = convolution(16, **options)
    x = torch.randn(2, 16, *size)
    expected = conv(x)
    plus, plus_bias = torch.randn_like(expected), torch.randn(24)
    for small_as_product in (False, True):
        packed = PackedConv2d(conv, small_as_product)
        torch.testing.assert_close(packed(x), expected)
        torch.testing.assert_close(packed(x, plus=plus), expected + plus)
        with_bias = packed(x, plus_bias=plus_bias)
        torch.testing.assert_close(with_bias, expected + plus_bias[:, None, None])
    torch.testing.assert_close(ProductConv2d(conv)(x), expected)


@needs_packed
@torch.no_grad()
def test_only_small_inputs_are_multiplied_as_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.Size] = []
    plain: Callable[[Tensor], Tensor] = packed_layers.patches

    def counted(x: Tensor) -> Tensor:
        asked.append(x.shape)
        return plain(x)

    monkeypatch.setattr(packed_layers, "patches", counted)
    small, large = torch.randn(2, 16, 8, 8), torch.randn(2, 16, 8, 9)
    for x in (small, large):
        PackedConv2d(convolution(16), True)(x)
        ProductConv2d(convolution(16))(x)
    assert asked == [small.shape] * 2


@needs_packed
@pytest.mark.skipif(
    onednn.why_no_packed_weights(torch.bfloat16) is not None, reason="no bf16 in oneDNN here"
)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (16, 16)])
@pytest.mark.parametrize("bias", [False, True])
@torch.no_grad()
def test_in_half_precision_a_small_convolution_adds_what_meets_and_rounds_once(
    size: tuple[int, int], bias: bool
) -> None:
    """Nine sums in bf16 would be off by more. Packed as small, it works for other sizes too."""
    conv = convolution(64, bias=bias).bfloat16()
    packed = PackedConv2d(conv, True)
    packed.pack(torch.Size((2, 64, 4, 4)))
    x, plus, plus_bias = torch.randn(2, 64, *size), torch.randn(2, 24, *size), torch.randn(24)
    x, plus, plus_bias = x.bfloat16(), plus.bfloat16(), plus_bias.bfloat16()
    exact = conv.float()(x.float())
    for added, given in (
        (torch.zeros(()), {}),
        (plus.float(), {"plus": plus}),
        (plus_bias.float()[:, None, None], {"plus_bias": plus_bias}),
    ):
        expected = exact + added
        error = (packed(x, **given).float() - expected).norm() / expected.norm()
        assert error < 4e-3


@needs_packed
@torch.no_grad()
def test_a_packed_layer_serves_another_size_than_its_first() -> None:
    linear = nn.Linear(32, 48)
    packed = PackedLinear(linear.weight, linear.bias)
    for rows in (2, 300, 1):
        x = torch.randn(rows, 32)
        torch.testing.assert_close(packed(x), linear(x))
        other = torch.randn(rows, 48)
        torch.testing.assert_close(packed(x, plus=other), linear(x) + other)
        torch.testing.assert_close(packed(x, times=other), linear(x) * other)
        gelu = nn.functional.gelu(linear(x))
        torch.testing.assert_close(packed(x, then=onednn.GELU), gelu)


@pytest.mark.slow
@needs_sdpa
def test_decoder_and_text_encoder_are_compiled_and_counted(compose_config: Compose) -> None:
    """The UNet would be compiled at its first call, which this test does not make."""
    names = ("compiled_decoder", "compiled_text_encoder")
    overrides = ("model_version=sd2_tiny", "attention=math", "precision=fp32")
    compiled = build(cell(compose_config, names, *overrides, "compile=default"), CPU)
    eager = build(cell(compose_config, (), *overrides), CPU)
    tokens, latents = torch.randint(0, 49408, (2, 77)), torch.randn(1, 4, 8, 8)
    with compiled.running(), eager.running():
        assert distance(compiled.encode_text(tokens), eager.encode_text(tokens)) < 1e-4
        assert distance(compiled.decode(latents), eager.decode(latents)) < 1e-4
    counts = compiled.compiled_calls
    assert counts is not None
    assert (counts.calls, counts.eager_calls) == (2, 0)


@pytest.mark.slow
@needs_packed
def test_the_warm_up_call_asks_for_a_timestep_of_the_sampler(compose_config: Compose) -> None:
    config = cell(compose_config, ALL, "model_version=sd2_tiny", "precision=fp32")
    ours = Ours(config, CPU)
    assert isinstance(ours.networks.unet, ConditionedUNet)
    with ours.running():
        assert UNetCall(ours)().isfinite().all()
