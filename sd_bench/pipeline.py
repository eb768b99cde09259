"""Networks, weights, attention, precision and compile, put together for one cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import (
    CompiledCalls,
    Watcher,
    compiled,
    sdpa_backends,
    uninitialised,
)
from sd_bench.config.conversion import known_models
from sd_bench.config.schema import RANDOM_WEIGHTS, Config
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.sampling.sampler_table import make_sampler
from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.checkpoint_fit import check_fits
from sd_bench.weights.checkpoint_weights import fill_from, stored_parts
from sd_bench.weights.parts import AUTOENCODER, TEXT_ENCODER, UNET
from sd_bench.weights.random_weights import fill_random, forget_table

#: The dtype of weights by precision; autocast computes in another one than it stores.
WEIGHT_DTYPES = {
    "autocast": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp32": torch.float32,
}
_AUTOCAST_DTYPES = {"cuda": torch.float16, "cpu": torch.bfloat16}


def compute_dtype(config: Config, device: torch.device) -> torch.dtype:
    """The dtype that attention computes in."""
    if config.precision.name == "autocast":
        return _AUTOCAST_DTYPES[device.type]
    return WEIGHT_DTYPES[config.precision.name]


class Pipeline:
    """The three networks of one cell, ready to sample.

    Enter ``running()`` around everything that calls them: it holds the autocast context, whose
    cache of cast weights lives as long as the context does. ``watcher`` is told each run of a
    graph that the compiler has made.
    """

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        self.config = config
        self.device = device
        self.dtype = WEIGHT_DTYPES[config.precision.name]
        self.latent_scale = config.model_version.latent_scale
        self.sampler = make_sampler(config.sampler, config.model_version)
        self.text_encoder, self.unet, self.autoencoder = build_networks(config, device)
        keep_unfused = config.attention.backend in ("original", "math")
        self._run_unet = compiled(self.unet, config.compile.mode, keep_unfused, watcher)

    @contextmanager
    def running(self) -> Iterator[None]:
        """No gradients, and autocast where the precision says so."""
        with torch.no_grad(), self._autocast():
            yield

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision.name != "autocast":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=compute_dtype(self.config, self.device))

    @property
    def compiled_calls(self) -> CompiledCalls | None:
        """What became of the UNet's calls where it is compiled."""
        return self._run_unet if isinstance(self._run_unet, CompiledCalls) else None

    def encode_text(self, tokens: Tensor) -> Tensor:
        with sdpa_backends((self.config.model_version.text_encoder.attention,)):
            return self.text_encoder(tokens)

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        attention = self.config.attention
        with sdpa_backends(attention.allowed_sdpa_backends, attention.upcast):
            output: Tensor = self._run_unet(x.to(self.dtype), timesteps, context)
            return output.float()

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents.to(self.dtype))


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
    """Fills a network, given where it stands in a checkpoint."""
    if config.weights == RANDOM_WEIGHTS:
        return lambda network, prefix: fill_random(network, prefix, config.weights_seed)
    checkpoint = open_checkpoint(Path(config.weights))
    check_fits(checkpoint, config.model_version, known_models())
    stored = stored_parts(checkpoint, config.model_version)
    return lambda network, prefix: fill_from(network, prefix, stored)
