"""Applies our axes to any three PyTorch networks: precision, attention, compile, optimizations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sd_bench.attention_backends import BACKENDS_BY_NAME
from sd_bench.capabilities.torch_compat import (
    CompiledCalls,
    Watcher,
    compiled,
    sdpa_backends,
)
from sd_bench.config.schema import Config
from sd_bench.implementations.cuda_graphs import GraphedCalls
from sd_bench.implementations.precision import WEIGHT_DTYPES, compute_dtype
from sd_bench.implementations.protocol import Staged
from sd_bench.records import Conversion
from sd_bench.sampling.sampler_table import make_sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchNetworks:
    """Networks with their weights on the device, in the precision's dtype, in eval mode.

    ``encode_text`` maps tokens [B, 77] to [B, 77, D]; ``unet`` maps latents, timesteps and context
    to a prediction; ``decode`` maps unscaled latents to images, roughly in -1..1. ``modules`` are
    all networks with parameters, ``attention_modules`` the UNet's, and ``repeated_blocks`` those
    that ``optimizations.regional_compile`` compiles one by one. With ``conditions``, ``unet`` takes
    latents and the result of ``conditions(timesteps, context)``.
    """

    encode_text: Callable[[Tensor], Tensor]
    unet: nn.Module
    decode: Callable[[Tensor], Tensor]
    modules: Sequence[nn.Module]
    attention_modules: list[nn.Module]
    repeated_blocks: Sequence[nn.Module]
    conditions: Callable[[Tensor, Tensor], tuple[Tensor, ...]] | None = None


class TorchImplementation(Staged):
    """The base class of our implementation and of every peer in PyTorch.

    ``running()`` holds the autocast context, whose cache of cast weights lives as long as the
    context. ``watcher`` wraps each run of a compiled graph.
    """

    conversion: Conversion | None = None
    unprovable: str | None = None

    def __init__(
        self,
        config: Config,
        device: torch.device,
        networks: TorchNetworks,
        watcher: Watcher | None = None,
    ) -> None:
        self.config = config
        self.device = device
        self.dtype = WEIGHT_DTYPES[config.precision.name]
        self.latent_scale = config.model_version.latent_scale
        self.sampler = make_sampler(config.sampler, config.model_version)
        self.networks = networks
        chosen = config.optimizations
        if chosen.channels_last:
            for module in networks.modules:
                module.to(memory_format=torch.channels_last)
        keep_unfused = BACKENDS_BY_NAME[config.attention.backend].is_unfused
        self._unet = compiled(
            networks.unet,
            config.compile.mode,
            keep_unfused=keep_unfused,
            watcher=None if chosen.cuda_graph else watcher,
            blocks=networks.repeated_blocks if chosen.regional_compile else None,
            freezing=chosen.freezing,
        )

        def also(run: Callable[[Tensor], Tensor], is_on: bool) -> Callable[[Tensor], Tensor]:
            mode = config.compile.mode if is_on else "off"
            return compiled(run, mode, keep_unfused=keep_unfused, freezing=chosen.freezing)

        self._encode_text = also(networks.encode_text, chosen.compiled_text_encoder)
        self._decode = also(networks.decode, chosen.compiled_decoder)
        self._graphed = GraphedCalls(self._unet, device, watcher) if chosen.cuda_graph else None
        self._run_unet: Callable[..., Tensor] = self._graphed or self._unet

    @property
    def attention_modules(self) -> list[nn.Module]:
        return self.networks.attention_modules

    @property
    def compiled_calls(self) -> CompiledCalls | None:
        """Counts of the calls of the compiled networks together; ``None`` if none is compiled."""
        runs = (self._unet, self._encode_text, self._decode)
        compiled_runs = [run for run in runs if isinstance(run, CompiledCalls)]
        return CompiledCalls.together(compiled_runs) if compiled_runs else None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Switch gradients off, and autocast on if it is the cell's precision."""
        try:
            with torch.no_grad(), self._autocast():
                yield
        finally:
            if self._graphed is not None:
                self._graphed.forget()

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision.name != "autocast":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=compute_dtype(self.config, self.device))

    def encode_text(self, tokens: Tensor) -> Tensor:
        with sdpa_backends((self.config.model_version.text_encoder.attention,)):
            return self._encode_text(tokens)

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        attention = self.config.attention
        with sdpa_backends(attention.allowed_sdpa_backends, attention.upcast):
            given = self._conditions(timesteps, context)
            output: Tensor = self._run_unet(x.to(self.dtype), *given)
            return output.float()

    def _conditions(self, timesteps: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        conditions = self.networks.conditions
        return (timesteps, context) if conditions is None else conditions(timesteps, context)

    def decode(self, latents: Tensor) -> Tensor:
        latents = latents.to(self.dtype)
        if not self.config.optimizations.sliced_decoding:
            return self._decode(latents)
        return torch.cat([self._decode(each) for each in latents.split(1)])
