"""The inputs of the sampling core: the prompts' tokens and the initial noise."""

from __future__ import annotations

import torch
from torch import Tensor

from sd_bench.config.schema import LATENT_CHANNELS, Config
from sd_bench.sampling.text_to_image import Batch
from sd_bench.sampling.tokens import cut_off, tokenise

PIXELS_PER_LATENT = 8


def image_numbers(config: Config, iteration: int) -> list[int]:
    """The numbers of an iteration's images, counted from 0 at the start of the round."""
    first = iteration * config.workload.batch_size
    return list(range(first, first + config.workload.batch_size))


def image_seeds(config: Config, iteration: int) -> list[int]:
    """The seed of each image: image i has the same seed at every batch size."""
    return [config.workload.seed + number for number in image_numbers(config, iteration)]


def image_prompts(config: Config, iteration: int) -> list[str]:
    """The prompt of each image: the cell's prompts are used in turn."""
    prompts = config.prompts
    return [prompts[number % len(prompts)] for number in image_numbers(config, iteration)]


def cut_prompts(config: Config) -> list[str]:
    """A sentence for each prompt that is too long for the text encoder, with what is cut off."""
    text = config.model_version.text_encoder
    return [
        f"prompt {prompt[:40]!r}... is cut at {text.context_length} tokens; left out: {cut!r}"
        for prompt in dict.fromkeys([*config.prompts, config.negative_prompt])
        if (cut := cut_off(prompt, text))
    ]


def make_batch(config: Config, iteration: int, device: torch.device, num_noises: int = 0) -> Batch:
    """The input of one iteration, on ``device``, with ``num_noises`` further draws of noise.

    Noise is drawn on the CPU with one generator per image, so it is the same on every device and
    at every batch size.
    """
    workload, text = config.workload, config.model_version.text_encoder
    shape = (
        LATENT_CHANNELS,
        workload.height // PIXELS_PER_LATENT,
        workload.width // PIXELS_PER_LATENT,
    )
    generators = [torch.Generator().manual_seed(s) for s in image_seeds(config, iteration)]

    def noise() -> Tensor:
        return torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)

    prompts = image_prompts(config, iteration)
    negative_prompts = [config.negative_prompt] * workload.batch_size
    return Batch(
        prompts=tuple(prompts),
        negative_prompts=tuple(negative_prompts),
        tokens=tokenise(prompts, text).to(device),
        negative_tokens=tokenise(negative_prompts, text).to(device),
        latents=noise(),
        noises=tuple(noise() for _ in range(num_noises)),
    )
