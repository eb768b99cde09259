"""Builds this project's three networks with their weights, which peers use too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from sd_bench.capabilities.torch_compat import uninitialised
from sd_bench.config.conversion import known_models
from sd_bench.config.schema import RANDOM_WEIGHTS, Config
from sd_bench.implementations.precision import WEIGHT_DTYPES
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.checkpoint_fit import check_fits
from sd_bench.weights.checkpoint_weights import fill_from, stored_parts
from sd_bench.weights.parts import AUTOENCODER, TEXT_ENCODER, UNET
from sd_bench.weights.random_weights import fill_random, forget_table


def build_networks(config: Config, device: torch.device) -> tuple[TextEncoder, UNet, Autoencoder]:
    """The networks on ``device`` with their weights, in the precision's dtype, in eval mode.

    Raises WeightsError if ``config.weights`` names a checkpoint that cannot be used.
    """
    model, dtype = config.model_version, WEIGHT_DTYPES[config.precision.name]
    fill = _filler(config)
    with uninitialised():
        text_encoder = TextEncoder(model.text_encoder)
        unet = UNet(model.unet, attention_factory(config.attention))
        autoencoder = Autoencoder(model.autoencoder)
    for network, prefix in ((text_encoder, TEXT_ENCODER), (unet, UNET), (autoencoder, AUTOENCODER)):
        network.to(dtype).to_empty(device=device)
        fill(network, prefix)
        network.eval()
    text_encoder.fill_mask()
    forget_table()
    return text_encoder, unet, autoencoder


def _filler(config: Config) -> Callable[[torch.nn.Module, str], None]:
    """A function that fills a network, given its prefix in a checkpoint."""
    if config.weights == RANDOM_WEIGHTS:
        return lambda network, prefix: fill_random(network, prefix, config.weights_seed)
    checkpoint = open_checkpoint(Path(config.weights))
    check_fits(checkpoint, config.model_version, known_models(), config.ignore_extra_keys)
    stored = stored_parts(checkpoint, config.model_version)
    return lambda network, prefix: fill_from(network, prefix, stored)
