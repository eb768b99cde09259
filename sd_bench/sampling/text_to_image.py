"""The shared sampling core: from tokens and noise to an image tensor, all on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sd_bench.sampling.sampler import Sampler


class Networks(Protocol):
    """What the core needs from a pipeline."""

    latent_scale: float

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Tokens [B, 77] to context [B, 77, D]."""

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        """One UNet call: fp32 latents [B, 4, H, W], timesteps [B], context; fp32 prediction."""

    def decode(self, latents: Tensor) -> Tensor:
        """Unscaled latents to images [B, 3, 8H, 8W], roughly in -1..1."""


class StageTimer(Protocol):
    """Called at the end of each stage and step; must not wait for the device."""

    def step(self) -> None:
        """The end of a step: one move of the sampler to less noise, with one or two UNet calls."""

    def stage(self, name: str) -> None:
        """The end of the stage ``name``."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The input of one text-to-image call.

    ``tokens`` and ``negative_tokens`` are [B, 77], ``latents`` the initial noise [B, 4, H, W] in
    fp32. ``noises`` have the same shape, one per step, for a stochastic sampler. ``prompts`` and
    ``negative_prompts`` are the tokens' texts, for an implementation with its own tokenizer.
    """

    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    tokens: Tensor
    negative_tokens: Tensor
    latents: Tensor
    noises: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Images:
    """The sampler's final latents [B, 4, H, W] in fp32, and ``pixels`` [B, 3, 8H, 8W] in 0..1."""

    latents: Tensor
    pixels: Tensor


def text_to_image(
    networks: Networks, sampler: Sampler, guidance: float, batch: Batch, timer: StageTimer
) -> Images:
    """One iteration: encode the prompts, denoise with classifier-free guidance, decode."""
    both = torch.cat([batch.negative_tokens, batch.tokens])
    context = networks.encode_text(both)  # [2B, 77, D], the negative prompt first
    timer.stage("text_encode")
    model = guided(networks, context, guidance)
    latents = sampler(model, batch.latents, timer.step, iter(batch.noises).__next__)
    timer.stage("denoise")
    decoded = networks.decode(latents / networks.latent_scale)
    pixels = ((decoded.float() + 1) / 2).clamp(0, 1)
    timer.stage("vae_decode")
    return Images(latents, pixels)


def guided(
    networks: Networks, context: Tensor, guidance: float
) -> Callable[[Tensor, float], Tensor]:
    """The UNet with classifier-free guidance (Ho and Salimans 2022), as one batch of 2B.

    ``context`` is [2B, 77, D], the negative prompts' half first.
    """

    def model(x: Tensor, t: float) -> Tensor:
        timesteps = torch.full((2 * x.shape[0],), t, device=x.device)
        output = networks.predict(torch.cat([x, x]), timesteps, context)
        negative, prompted = output.chunk(2)
        return negative + guidance * (prompted - negative)

    return model
