"""What goes into the sampling core: tokens of the prompt, and the initial noise."""

from __future__ import annotations

from functools import lru_cache

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from sd_bench.config import TextEncoderConfig, WorkloadConfig
from sd_bench.sampling.text_to_image import Batch

LATENT_CHANNELS = 4
PIXELS_PER_LATENT = 8


@lru_cache(maxsize=1)
def _tokenizer() -> SimpleTokenizer:
    """CLIP's byte-pair encoding; reading its vocabulary takes a few tenths of a second."""
    return SimpleTokenizer()


def tokenise(prompts: list[str], config: TextEncoderConfig) -> Tensor:
    """Prompts to [B, 77] tokens, padded with the model's own padding token."""
    tokenizer = _tokenizer()
    tokens = tokenizer(prompts, context_length=config.context_length)
    ends = (tokens == tokenizer.eot_token_id).int().argmax(dim=1, keepdim=True)
    padding = torch.arange(tokens.shape[1])[None] > ends
    return torch.where(padding, torch.tensor(config.pad_token), tokens)


def image_seeds(workload: WorkloadConfig, iteration: int) -> list[int]:
    """The seed of each image of an iteration: image i has the same one at every batch size."""
    first = workload.seed + iteration * workload.batch_size
    return list(range(first, first + workload.batch_size))


def make_batch(
    workload: WorkloadConfig,
    text: TextEncoderConfig,
    iteration: int,
    device: torch.device,
    num_noises: int = 0,
) -> Batch:
    """The input of one iteration, on ``device``, with ``num_noises`` further draws of noise.

    Noise is drawn on the CPU, one generator an image, so it is the same on every device and for
    every batch size.
    """
    shape = (
        LATENT_CHANNELS,
        workload.height // PIXELS_PER_LATENT,
        workload.width // PIXELS_PER_LATENT,
    )
    generators = [torch.Generator().manual_seed(s) for s in image_seeds(workload, iteration)]

    def noise() -> Tensor:
        return torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)

    prompts = [workload.prompt] * workload.batch_size
    return Batch(
        tokens=tokenise(prompts, text).to(device),
        empty_tokens=tokenise([""] * workload.batch_size, text).to(device),
        latents=noise(),
        noises=tuple(noise() for _ in range(num_noises)),
    )
