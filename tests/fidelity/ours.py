"""Our networks with random weights, one at a time, so that full-size ones fit into memory."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.torch_compat import uninitialised
from sd_bench.config.schema import Config
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.weights.parts import AUTOENCODER, TEXT_ENCODER, UNET
from sd_bench.weights.random_weights import fill_random

Network = TypeVar("Network", bound=nn.Module)


def fp32_config(model_version: str, *overrides: str) -> Config:
    """The model on the CPU in fp32, attention by the original code unless overridden.

    Each call returns a new Config, which may be changed.
    """
    return deepcopy(_composed(model_version, overrides))


@cache
def _composed(model_version: str, overrides: tuple[str, ...]) -> Config:
    # No default sampler suits every model: PLMS cannot do v-prediction.
    sampler = [] if any(o.startswith("sampler=") for o in overrides) else ["sampler=ddim"]
    attention = [] if any(o.startswith("attention=") for o in overrides) else ["attention=original"]
    model = ("gpu=cpu", "precision=fp32", f"model_version={model_version}")
    return compose_config(*model, *sampler, *attention, *overrides)


def random_unet(config: Config) -> UNet:
    with uninitialised():
        unet = UNet(config.model_version.unet, attention_factory(config.attention))
    return _filled(unet, UNET)


def random_autoencoder(config: Config) -> Autoencoder:
    with uninitialised():
        autoencoder = Autoencoder(config.model_version.autoencoder)
    return _filled(autoencoder, AUTOENCODER)


def random_text_encoder(config: Config) -> TextEncoder:
    with uninitialised():
        encoder = TextEncoder(config.model_version.text_encoder)
    encoder = _filled(encoder, TEXT_ENCODER)
    encoder.fill_mask()
    return encoder


def _filled(network: Network, prefix: str) -> Network:
    network.to_empty(device="cpu")
    fill_random(network, prefix, seed=0)
    return network.eval()


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal noise of this shape, the same at every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def text_like(batch: int, context_dim: int) -> Tensor:
    """A context [batch, 77, context_dim] whose tokens differ about as much as those of a prompt."""
    return 0.5 * normal(batch, 77, context_dim, seed=1)
