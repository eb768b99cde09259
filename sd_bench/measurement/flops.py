"""Count a cell's floating-point operations on its networks, without computing anything."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import HAS_FLOP_COUNTER, sdpa_backends
from sd_bench.config.schema import LATENT_CHANNELS, AttentionConfig, Config
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.records import Flops, write_atomically
from sd_bench.sampling.inputs import PIXELS_PER_LATENT
from sd_bench.sampling.sampler_table import make_sampler

_META = torch.device("meta")


def count_flops(config: Config, cache_folder: Path) -> Flops | None:
    """The FLOPs of one iteration of ``config``, or None where PyTorch cannot count (before 2.1).

    Counting takes about a second, so the cost of one image is cached in ``cache_folder`` and shared
    by all cells with the same networks and image size. Raises OSError if the folder cannot be
    written.
    """
    if not HAS_FLOP_COUNTER:
        return None
    file = cache_folder / f".flops-{_key(config)}.json"
    costs: dict[str, float] | None = None
    with suppress(OSError, ValueError):
        costs = json.loads(file.read_text())
    if costs is None:
        costs = count_one_image(config)
        write_atomically(file, json.dumps(costs))
    costs = {name: cost * config.workload.batch_size for name, cost in costs.items()}
    num_unet_calls = make_sampler(config.sampler, config.model_version).num_unet_calls
    iteration = costs["text_encode"] + num_unet_calls * costs["unet_call"] + costs["vae_decode"]
    return Flops(**costs, iteration=iteration)


def _key(config: Config) -> str:
    """A hash of everything that the FLOPs of one image depend on."""
    model, workload = dataclasses.asdict(config.model_version), config.workload
    multihead = config.attention.uses_multihead_attention
    text = json.dumps([model, workload.height, workload.width, multihead], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@torch.no_grad()
def count_one_image(config: Config) -> dict[str, float]:
    """The FLOPs of each network for one image.

    The text encoder and a guided UNet call process two samples per image.
    """
    model = config.model_version
    size = (config.workload.height // PIXELS_PER_LATENT, config.workload.width // PIXELS_PER_LATENT)
    backend = "math" if config.attention.uses_multihead_attention else "original"
    with _META:
        text_encoder = TextEncoder(model.text_encoder).eval()
        unet_config = dataclasses.replace(model.unet, use_checkpoint=False)
        unet = UNet(unet_config, attention_factory(AttentionConfig(backend=backend))).eval()
        autoencoder = Autoencoder(model.autoencoder).eval()
        latents = torch.empty(2, LATENT_CHANNELS, *size)
        tokens = torch.zeros(2, model.text_encoder.context_length, dtype=torch.long)
        context = torch.empty(*tokens.shape, model.unet.context_dim)
        timesteps = torch.zeros(2)
        return {
            "text_encode": _flops(lambda: text_encoder(tokens)),
            "unet_call": _flops(lambda: unet(latents, timesteps, context)),
            "vae_decode": _flops(lambda: autoencoder.decode(latents[:1])),
        }


def _flops(call: Callable[[], Tensor]) -> float:
    """Count on meta tensors: on CPU tensors the counter counts fused attention as 0."""
    from torch.utils.flop_counter import FlopCounterMode

    with sdpa_backends(("math",)), FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())
