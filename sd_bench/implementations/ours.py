"""``implementation=sd_bench``: this project's own networks."""

from __future__ import annotations

import torch
from torch import nn

from sd_bench.capabilities.torch_compat import Watcher
from sd_bench.config.schema import Config, OptimizationsConfig
from sd_bench.implementations.conditions import ImageConditions
from sd_bench.implementations.our_networks import build_networks
from sd_bench.implementations.torch_networks import TorchImplementation, TorchNetworks
from sd_bench.networks.attention import is_unet_attention
from sd_bench.networks.conditioned_unet import ConditionedUNet
from sd_bench.networks.packing import (
    fuse_blocks,
    multiply_small_convolutions,
    pack_layers,
    pack_now,
)
from sd_bench.networks.transformer import AttendingBlock
from sd_bench.sampling.sampler_table import make_sampler


class Ours(TorchImplementation):
    """The three networks of one cell, ready to sample."""

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        self.text_encoder, self.unet, self.autoencoder = build_networks(config, device)
        chosen = config.optimizations
        _rebuild(self.unet, chosen, chosen.matmul_convolutions)
        for network in (self.text_encoder, self.autoencoder):
            _rebuild(network, chosen, small_as_product=False)
        # Only the UNet is called before the timing: the others must be packed without an input.
        pack_now(self.text_encoder, _num_tokens(config))
        pack_now(self.autoencoder)
        modules = list(self.unet.modules())
        conditioned = ConditionedUNet(self.unet, chosen.cached_timesteps, chosen.cached_prompt)
        is_conditioned = chosen.cached_timesteps or chosen.cached_prompt
        timesteps = make_sampler(config.sampler, config.model_version).timesteps
        networks = TorchNetworks(
            encode_text=self.text_encoder,
            unet=conditioned if is_conditioned else self.unet,
            decode=self.autoencoder.decode,
            modules=(self.text_encoder, self.unet, self.autoencoder),
            attention_modules=[m for m in modules if is_unet_attention(m)],
            repeated_blocks=[m for m in modules if isinstance(m, AttendingBlock)],
            conditions=ImageConditions(conditioned, timesteps) if is_conditioned else None,
        )
        super().__init__(config, device, networks, watcher)


def _num_tokens(config: Config) -> int:
    """The number of tokens in a call of the text encoder: prompts and negative prompts."""
    return 2 * config.workload.batch_size * config.model_version.text_encoder.context_length


def _rebuild(network: nn.Module, chosen: OptimizationsConfig, small_as_product: bool) -> None:
    """Replace the layers and blocks of ``network`` that an optimization replaces."""
    if chosen.fused_epilogues:
        fuse_blocks(network, small_as_product)
    if chosen.packed_weights:
        pack_layers(network, small_as_product)
    elif small_as_product:
        multiply_small_convolutions(network)
