"""Our networks for another runtime: plain modules to convert, and the class that runs them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sd_bench.capabilities.torch_compat import CompiledCalls
from sd_bench.config.schema import LATENT_CHANNELS, Config, PrecisionConfig
from sd_bench.implementations.our_networks import build_networks
from sd_bench.implementations.protocol import Staged
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.unet import UNet, timestep_embedding
from sd_bench.records import Conversion
from sd_bench.sampling.inputs import PIXELS_PER_LATENT
from sd_bench.sampling.sampler_table import make_sampler

NETWORKS = ("text_encoder", "unet", "decoder")


@dataclass(frozen=True, slots=True)
class Convertible:
    """A network on the CPU, in fp32 and eval mode, and inputs of the only shapes that it gets.

    "text_encoder" takes tokens [2B, 77]; "unet" latents [2B, 4, h, w], the timesteps' sinusoids
    [2B, C] and context [2B, 77, D]; "decoder" unscaled latents [B, 4, h, w]. All but the tokens are
    fp32, and so are the outputs.
    """

    name: str
    module: nn.Module
    inputs: tuple[Tensor, ...]


def networks_to_convert(config: Config) -> Iterator[Convertible]:
    """Yield the networks of ``config``, without keeping a reference to those yielded.

    Raises WeightsError if ``config.weights`` names a checkpoint that cannot be used.
    """
    fp32 = dataclasses.replace(config, precision=PrecisionConfig(name="fp32"))
    text_encoder, unet, autoencoder = build_networks(fp32, torch.device("cpu"))
    modules: list[nn.Module] = [text_encoder, _UNet(unet), _Decoder(autoencoder)]
    del text_encoder, unet, autoencoder
    inputs = _inputs(config)
    for name in NETWORKS:
        yield Convertible(name, modules.pop(0), inputs[name])


def _inputs(config: Config) -> dict[str, tuple[Tensor, ...]]:
    workload, model = config.workload, config.model_version
    both = 2 * workload.batch_size
    size = (workload.height // PIXELS_PER_LATENT, workload.width // PIXELS_PER_LATENT)
    tokens = torch.zeros(both, model.text_encoder.context_length, dtype=torch.long)
    unet = (
        torch.zeros(both, LATENT_CHANNELS, *size),
        torch.zeros(both, model.unet.model_channels),
        torch.zeros(*tokens.shape, model.unet.context_dim),
    )
    decoder = (torch.zeros(workload.batch_size, LATENT_CHANNELS, *size),)
    return dict(zip(NETWORKS, ((tokens,), unet, decoder), strict=True))


class _UNet(nn.Module):
    """The UNet with the timesteps' sinusoids as input instead of the timesteps.

    A runtime that computes in bf16 may round timesteps, and 981 becomes 980.
    """

    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, sinusoids: Tensor, context: Tensor) -> Tensor:
        return self.unet.predict(x, sinusoids, context)


class _Decoder(nn.Module):
    """The autoencoder's decoding half, as a module."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.post_quant_conv = autoencoder.post_quant_conv
        self.decoder = autoencoder.decoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(latents))


class ConvertedImplementation(Staged):
    """The base class of runtimes that run our converted networks on a CPU.

    ``run`` has a callable for each of ``NETWORKS``, which takes the inputs that `Convertible`
    describes; ``unprovable`` is why PyTorch's profiler cannot see its kernels.
    """

    attention_modules: list[nn.Module] = []  # noqa: RUF012
    compiled_calls: CompiledCalls | None = None

    def __init__(
        self,
        config: Config,
        device: torch.device,
        run: Mapping[str, Callable[..., Tensor]],
        conversion: Conversion,
        unprovable: str,
    ) -> None:
        self.config = config
        self.device = device
        self.latent_scale = config.model_version.latent_scale
        self.sampler = make_sampler(config.sampler, config.model_version)
        self.conversion: Conversion | None = conversion
        self.unprovable: str | None = unprovable
        self._run = run

    @contextmanager
    def running(self) -> Iterator[None]:
        with torch.no_grad():
            yield

    def encode_text(self, tokens: Tensor) -> Tensor:
        return self._run["text_encoder"](tokens)

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        channels = self.config.model_version.unet.model_channels
        return self._run["unet"](x, timestep_embedding(timesteps, channels), context)

    def decode(self, latents: Tensor) -> Tensor:
        return self._run["decoder"](latents)
