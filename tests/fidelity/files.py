"""Networks read from a file: the weights come back unchanged, converted or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import sdpa_backends
from sd_bench.config.schema import Config
from sd_bench.implementations.our_networks import build_networks
from sd_bench.sampling.tokens import tokenise
from sd_bench.weights.parts import AUTOENCODER, UNET
from sd_bench.weights.random_weights import fill_random
from tests.fidelity import peers
from tests.fidelity.attention import unet_output
from tests.fidelity.checkpoints import published, published_text_encoder
from tests.fidelity.comparison import (
    ATTENTION,
    NETWORK,
    Comparison,
    relative_error,
    worst_error,
)
from tests.fidelity.networks import PROMPTS
from tests.fidelity.ours import (
    fp32_config,
    normal,
    random_autoencoder,
    random_text_encoder,
    random_unet,
    text_like,
)

CPU = torch.device("cpu")


def save_published(model_version: str, path: Path) -> None:
    """A Lightning checkpoint of random weights, in the published layout."""
    tensors = published(random_unet(fp32_config(model_version)), UNET)
    torch.save({"state_dict": tensors | _without_unet(model_version), "global_step": 1}, path)


def save_multihead(model_version: str, path: Path) -> None:
    """The same weights, with the UNet's attention in the layout of nn.MultiheadAttention."""
    tensors = published(random_unet(fp32_config(model_version, "attention=math")), UNET)
    torch.save({"state_dict": tensors | _without_unet(model_version)}, path)


def _without_unet(model_version: str) -> dict[str, Tensor]:
    config = fp32_config(model_version)
    library = config.model_version.text_encoder.library
    return {
        **published(random_autoencoder(config), AUTOENCODER),
        **published_text_encoder(random_text_encoder(config), library),
    }


def file_error(model_version: str, save: Callable[[str, Path], None], attention: str) -> float:
    """The UNet with ``attention`` read from a file, compared with the original in memory."""
    reference = fp32_config(model_version)
    expected = unet_output(reference, random_unet(reference))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.ckpt"
        save(model_version, path)
        config = fp32_config(model_version, f"attention={attention}", f"weights={path}")
        _, unet, _ = build_networks(config, CPU)
    return relative_error(unet_output(config, unet), expected)


def diffusers_folder_error(model_version: str) -> float:
    """The worst error of the three networks, read from a folder that diffusers saved."""
    config = fp32_config(model_version)
    with TemporaryDirectory() as folder:
        theirs = _save_diffusers_folder(config, Path(folder))
        ours = build_networks(fp32_config(model_version, f"weights={folder}"), CPU)
    return worst_error(_our_outputs(config, *ours), theirs)


@torch.no_grad()
def _save_diffusers_folder(config: Config, folder: Path) -> list[Tensor]:
    """Save networks of diffusers with different weights; returns their outputs."""
    model = config.model_version
    networks = {
        "text_encoder": peers.empty_text_model(model.text_encoder),
        "unet": peers.empty_unet(model.unet),
        "vae": peers.empty_autoencoder(model.autoencoder),
    }
    for name, network in networks.items():
        fill_random(network, f"{name}/", seed=1)
        network.eval().save_pretrained(folder / name)
    tokens, x, timesteps, context, latents, image = _inputs(config)
    text_encoder, unet, vae = networks.values()
    with sdpa_backends(("math",)):
        return [
            text_encoder(tokens).last_hidden_state,
            unet(x, timesteps, context).sample,
            vae.decode(latents).sample,
            vae.encode(image).latent_dist.mean,
        ]


@torch.no_grad()
def _our_outputs(config: Config, text_encoder: Any, unet: Any, autoencoder: Any) -> list[Tensor]:
    tokens, x, timesteps, context, latents, image = _inputs(config)
    return [
        text_encoder(tokens),
        unet(x, timesteps, context),
        autoencoder.decode(latents),
        autoencoder.encode(image)[0],
    ]


def _inputs(config: Config) -> tuple[Tensor, ...]:
    model = config.model_version
    return (
        tokenise(PROMPTS, model.text_encoder),
        normal(2, 4, 16, 16),
        torch.tensor([981, 500]),
        text_like(2, model.unet.context_dim),
        normal(2, 4, 8, 8, seed=2),
        normal(2, 3, 64, 64, seed=3).clamp(-1, 1),
    )


def _file(model_version: str, layout: str, attention: str) -> Comparison:
    save = {"published": save_published, "multihead": save_multihead}[layout]
    return Comparison(
        name=f"UNet {model_version}, {layout} checkpoint read by attention {attention}",
        against="attention original, never in a file",
        tolerance=ATTENTION,
        measure=partial(file_error, model_version, save, attention),
    )


COMPARISONS = [
    *(
        _file(model_version, layout, attention)
        for model_version in ("sd1_tiny", "sd2_tiny")
        for layout, attention in (("published", "math"), ("multihead", "original"))
    ),
    *(
        Comparison(
            name=f"networks {model_version}, read from a diffusers folder, the worst of three",
            against="diffusers and transformers, which saved it",
            tolerance=NETWORK,
            measure=partial(diffusers_folder_error, model_version),
            needs=("diffusers", "transformers"),
        )
        for model_version in ("sd1_tiny", "sd2_tiny")
    ),
]
