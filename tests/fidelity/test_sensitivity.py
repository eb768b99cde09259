"""Faults of the kind that the comparisons should find exceed their tolerances."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sd_bench.networks import unet as unet_module
from sd_bench.networks.attention import CrossAttention, unfused
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.sampling.tokens import tokenise
from tests.fidelity.attention import unet_output
from tests.fidelity.comparison import NETWORK, relative_error
from tests.fidelity.networks import PROMPTS
from tests.fidelity.ours import fp32_config, random_text_encoder, random_unet

Patch = pytest.MonkeyPatch


def wrong_softmax_scale(unet: UNet, patch: Patch) -> None:
    """Wrong by a hundredth, in one of 32 modules."""
    module = next(m for m in unet.modules() if isinstance(m, CrossAttention))
    patch.setattr(module, "core", lambda q, k, v: unfused(q * 1.01, k, v))


def swapped_queries_and_keys(unet: UNet, patch: Patch) -> None:
    module = next(m for m in unet.modules() if isinstance(m, CrossAttention))
    module.to_q, module.to_k = module.to_k, module.to_q


def sines_before_cosines(unet: UNet, patch: Patch) -> None:
    right = unet_module.timestep_embedding
    patch.setattr(
        unet_module, "timestep_embedding", lambda t, dim: right(t, dim).roll(dim // 2, dims=-1)
    )


def timestep_off_by_one(unet: UNet, patch: Patch) -> None:
    right = unet_module.timestep_embedding
    patch.setattr(unet_module, "timestep_embedding", lambda t, dim: right(t - 1, dim))


def tanh_in_gelu(unet: UNet, patch: Patch) -> None:
    right = F.gelu
    patch.setattr(F, "gelu", lambda x: right(x, approximate="tanh"))


def group_norm_epsilon(unet: UNet, patch: Patch) -> None:
    """Too large by a factor of 100."""
    for module in unet.modules():
        if isinstance(module, nn.GroupNorm):
            patch.setattr(module, "eps", module.eps * 100)


UNET_FAULTS = [
    wrong_softmax_scale,
    swapped_queries_and_keys,
    sines_before_cosines,
    timestep_off_by_one,
    tanh_in_gelu,
    group_norm_epsilon,
]


@pytest.mark.parametrize("fault", UNET_FAULTS)
@torch.no_grad()
def test_a_faulty_unet_is_detected(
    fault: Callable[[UNet, Patch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fp32_config("sd2_tiny")
    unet = random_unet(config)
    right = unet_output(config, unet)
    fault(unet, monkeypatch)
    assert relative_error(unet_output(config, unet), right) > NETWORK.limit


def other_activation(encoder: TextEncoder) -> None:
    """GELU instead of quick GELU."""
    for block in encoder.model.transformer.resblocks:
        block.mlp.gelu = nn.GELU()  # type: ignore[union-attr]


def no_mask(encoder: TextEncoder) -> None:
    encoder.model.attn_mask.zero_()


def one_layer_less(encoder: TextEncoder) -> None:
    del encoder.model.transformer.resblocks[-1]


def no_final_norm(encoder: TextEncoder) -> None:
    setattr(encoder.model, "ln_final", nn.Identity())  # noqa: B010


@pytest.mark.parametrize("fault", [other_activation, no_mask, one_layer_less, no_final_norm])
@torch.no_grad()
def test_a_faulty_text_encoder_is_detected(fault: Callable[[TextEncoder], None]) -> None:
    config = fp32_config("sd1_tiny")
    encoder = random_text_encoder(config)
    tokens = tokenise(PROMPTS, config.model_version.text_encoder)
    right = encoder(tokens)
    fault(encoder)
    assert relative_error(encoder(tokens), right) > NETWORK.limit
