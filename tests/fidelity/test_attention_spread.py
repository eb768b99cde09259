"""Attention in the comparisons is as uneven as in a trained network.

If all logits were similar, attention would be a mean, and no fault in them would show; if they were
far apart, it would select single positions, and rounding would decide.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from sd_bench.networks.attention import CrossAttention, unfused
from sd_bench.networks.unet import UNet
from sd_bench.sampling.tokens import tokenise
from tests.fidelity.attention import unet_output
from tests.fidelity.ours import fp32_config, normal, random_text_encoder, random_unet
from tests.fidelity.pipelines import PROMPTS


def record_logits(unet: UNet) -> dict[str, Tensor]:
    """A list that fills, module by module, when ``unet`` is called: logits [B*H, N, M]."""
    logits: dict[str, Tensor] = {}

    def record(name: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        queries, keys = q.flatten(0, 1), k.flatten(0, 1)
        logits[name] = torch.bmm(queries, keys.transpose(1, 2)) * q.shape[-1] ** -0.5
        return unfused(q, k, v)

    for name, module in unet.named_modules():
        if isinstance(module, CrossAttention):
            module.core = partial(record, name)
    return logits


def spread_over_keys(logits: Tensor) -> float:
    """The standard deviation over the keys of a query, as root mean square over queries."""
    return logits.var(dim=-1, unbiased=False).mean().sqrt().item()


@pytest.mark.parametrize("model_version", ["sd1_tiny", "sd2_tiny", "sd2_768_tiny"])
def test_logits_on_the_comparisons_own_input_spread_as_trained_ones(model_version: str) -> None:
    config = fp32_config(model_version)
    unet = random_unet(config)
    logits = record_logits(unet)
    unet_output(config, unet)
    assert len(logits) == 32
    spreads = {name: spread_over_keys(values) for name, values in logits.items()}
    assert {name: spread for name, spread in spreads.items() if not 0.5 < spread < 4} == {}


@pytest.mark.parametrize("model_version", ["sd1_tiny", "sd2_tiny"])
def test_logits_of_a_real_prompt_spread_too(model_version: str) -> None:
    config = fp32_config(model_version)
    unet, text_encoder = random_unet(config), random_text_encoder(config)
    logits = record_logits(unet)
    with torch.no_grad():
        context = text_encoder(tokenise(PROMPTS, config.model_version.text_encoder))
        unet(normal(2, 4, 16, 16), torch.tensor([981, 500]), context)
    to_text = {name: spread_over_keys(v) for name, v in logits.items() if "attn2" in name}
    assert len(to_text) == 16
    assert {name: spread for name, spread in to_text.items() if not 0.5 < spread < 4} == {}
