"""``implementation=sd_bench``: this project's own networks."""

from __future__ import annotations

import torch

from sd_bench.capabilities.torch_compat import Watcher
from sd_bench.config.schema import Config
from sd_bench.implementations.our_networks import build_networks
from sd_bench.implementations.torch_networks import TorchImplementation, TorchNetworks
from sd_bench.networks.attention import is_unet_attention
from sd_bench.networks.transformer import TransformerBlock


class Ours(TorchImplementation):
    """The three networks of one cell, ready to sample."""

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        self.text_encoder, self.unet, self.autoencoder = build_networks(config, device)
        networks = TorchNetworks(
            encode_text=self.text_encoder,
            unet=self.unet,
            decode=self.autoencoder.decode,
            modules=(self.text_encoder, self.unet, self.autoencoder),
            attention_modules=[m for m in self.unet.modules() if is_unet_attention(m)],
            repeated_blocks=[m for m in self.unet.modules() if isinstance(m, TransformerBlock)],
        )
        super().__init__(config, device, networks, watcher)
