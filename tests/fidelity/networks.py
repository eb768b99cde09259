"""Each network against another implementation, with the same weights and input, in fp32."""

from __future__ import annotations

from functools import partial

import torch

from sd_bench.sampling.tokens import tokenise
from tests.fidelity import peers
from tests.fidelity.comparison import NETWORK, Comparison, relative_error, worst_error
from tests.fidelity.ours import (
    fp32_config,
    normal,
    random_autoencoder,
    random_text_encoder,
    random_unet,
    text_like,
)

#: A short prompt, the empty one, and one that fills all 77 tokens.
PROMPTS = ["A photo", "", "a very long story of a small boat " * 12]


@torch.no_grad()
def unet_error(model_version: str, batch: int, height: int, width: int) -> float:
    """On latents [batch, 4, height, width], with a different timestep for every sample."""
    config = fp32_config(model_version).model_version.unet
    ours = random_unet(fp32_config(model_version))
    theirs = peers.diffusers_unet(ours, config)
    x, context = normal(batch, 4, height, width), text_like(batch, config.context_dim)
    timesteps = torch.tensor([981, 500, 1, 961, 21][:batch])
    return relative_error(ours(x, timesteps, context), theirs(x, timesteps, context).sample)


@torch.no_grad()
def encode_error(model_version: str, size: int) -> float:
    """Mean and log-variance of the latents of an image of size x size pixels; the worse error."""
    config = fp32_config(model_version)
    ours = random_autoencoder(config)
    theirs = peers.diffusers_autoencoder(ours, config.model_version.autoencoder)
    image = normal(2, 3, size, size).clamp(-1, 1)
    reference = theirs.encode(image).latent_dist
    return worst_error(ours.encode(image), (reference.mean, reference.logvar))


@torch.no_grad()
def decode_error(model_version: str, size: int) -> float:
    """The image of size x size pixels before clamping."""
    config = fp32_config(model_version)
    ours = random_autoencoder(config)
    theirs = peers.diffusers_autoencoder(ours, config.model_version.autoencoder)
    latents = normal(2, 4, size // 8, size // 8)
    return relative_error(ours.decode(latents), theirs.decode(latents).sample)


@torch.no_grad()
def text_error_to_transformers(model_version: str) -> float:
    """All 77 hidden states of three prompts."""
    config = fp32_config(model_version)
    ours = random_text_encoder(config)
    theirs = peers.transformers_text_model(ours, config.model_version.text_encoder)
    tokens = tokenise(PROMPTS, config.model_version.text_encoder)
    return relative_error(ours(tokens), theirs(tokens).last_hidden_state)


@torch.no_grad()
def text_error_to_open_clip(model_version: str) -> float:
    """All 77 hidden states before open_clip's last layer, through its final norm."""
    config = fp32_config(model_version)
    ours = random_text_encoder(config)
    theirs = peers.open_clip_tower(ours, config.model_version.text_encoder)
    tokens = tokenise(PROMPTS, config.model_version.text_encoder)
    before_last: list[torch.Tensor] = []
    last = theirs.transformer.resblocks[-1]
    last.register_forward_pre_hook(lambda _, inputs: before_last.append(inputs[0]))
    theirs(tokens)
    return relative_error(ours(tokens), theirs.ln_final(before_last[0]))


def _unet(model_version: str, batch: int, height: int, width: int, slow: bool) -> Comparison:
    return Comparison(
        name=f"UNet {model_version}, latents {batch}x4x{height}x{width}",
        against="diffusers UNet2DConditionModel",
        tolerance=NETWORK,
        measure=partial(unet_error, model_version, batch, height, width),
        needs=("diffusers",),
        slow=slow,
    )


def _autoencoder(model_version: str, size: int, slow: bool) -> list[Comparison]:
    return [
        Comparison(
            name=f"autoencoder {what} {model_version}, {size}x{size} pixels",
            against="diffusers AutoencoderKL",
            tolerance=NETWORK,
            measure=partial(measure, model_version, size),
            needs=("diffusers",),
            slow=slow,
        )
        for what, measure in (("encode", encode_error), ("decode", decode_error))
    ]


def _text_to_transformers(model_version: str, slow: bool) -> Comparison:
    return Comparison(
        name=f"text encoder {model_version}, 3 prompts",
        against="transformers CLIPTextModel",
        tolerance=NETWORK,
        measure=partial(text_error_to_transformers, model_version),
        needs=("diffusers", "transformers"),
        slow=slow,
    )


def _text_to_open_clip(model_version: str, slow: bool) -> Comparison:
    return Comparison(
        name=f"text encoder {model_version}, 3 prompts, penultimate layer",
        against="open_clip's text tower",
        tolerance=NETWORK,
        measure=partial(text_error_to_open_clip, model_version),
        slow=slow,
    )


COMPARISONS = [
    _unet("sd1_tiny", 2, 16, 16, slow=False),
    _unet("sd2_tiny", 2, 16, 16, slow=False),
    _unet("sd2_tiny", 3, 8, 24, slow=False),
    _unet("sd1", 2, 16, 16, slow=True),
    _unet("sd2", 2, 16, 16, slow=True),
    *_autoencoder("sd2_tiny", 128, slow=False),
    *_autoencoder("sd2", 128, slow=True),
    _text_to_transformers("sd1_tiny", slow=False),
    _text_to_transformers("sd2_tiny", slow=False),
    _text_to_open_clip("sd2_tiny", slow=False),
    _text_to_transformers("sd1", slow=True),
    _text_to_transformers("sd2", slow=True),
    _text_to_open_clip("sd2", slow=True),
]
