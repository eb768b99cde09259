"""The denoising UNet of Stable Diffusion 1 and 2 (Rombach et al. 2022, arXiv:2112.10752).

Module names are those of the published checkpoints, so that a checkpoint's keys match unchanged.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sd_bench.config.schema import UNetConfig
from sd_bench.networks.attention import AttentionFactory, Context
from sd_bench.networks.normalization import GroupNorm32
from sd_bench.networks.transformer import (
    AttendingBlock,
    ImageTransformer,
    SpatialTransformer,
    checkpointed,
)


def timestep_embedding(timesteps: Tensor, dim: int) -> Tensor:
    """Sinusoids of ``timesteps`` [B] as fp32 [B, dim], cosines first (Ho et al. 2020).

    Products and quotients are in the published code's order: at timestep 981 another order changes
    the fourth digit of the fastest sinusoids by rounding.
    """
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    angles = timesteps[:, None].float() * torch.exp(-math.log(10000) * steps / half)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class ProjectedTime(NamedTuple):
    """What one ResBlock adds for a timestep, projected in advance: [B or 1, its channels]."""

    added: Tensor


Time = Tensor | ProjectedTime


class TimedBlock(nn.Module):
    """Base class of all blocks that add a projection of the timestep to their features."""

    num_added: int
    emb_layers: nn.Sequential

    def project(self, emb: Time) -> Tensor:
        """What the timestep adds to the features, [B or 1, num_added]."""
        return emb.added if isinstance(emb, ProjectedTime) else self.emb_layers(emb)


class ResBlock(TimedBlock):
    """Two convolutions with the timestep's embedding added between them, and a skip connection."""

    def __init__(
        self, in_channels: int, out_channels: int, emb_channels: int, use_checkpoint: bool
    ) -> None:
        super().__init__()
        self.use_checkpoint = use_checkpoint
        self.num_added = out_channels
        self.in_layers = nn.Sequential(
            GroupNorm32(in_channels, eps=1e-5),
            nn.SiLU(),
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb_channels, out_channels))
        self.out_layers = nn.Sequential(
            GroupNorm32(out_channels, eps=1e-5),
            nn.SiLU(),
            nn.Identity(),  # in place of the published network's dropout, so that the keys match
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        )
        if in_channels == out_channels:
            self.skip_connection: nn.Module = nn.Identity()
        else:
            self.skip_connection = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor, emb: Time) -> Tensor:
        return (
            checkpointed(self.compute, self.parameters(), x, emb)
            if self.use_checkpoint
            else self.compute(x, emb)
        )

    def compute(self, x: Tensor, emb: Time) -> Tensor:
        h = self.in_layers(x) + self.project(emb)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Downsample(nn.Module):
    """Halves height and width by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """Doubles height and width, then applies a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Block(nn.Sequential):
    """A sequence of layers, each of which gets the features and, if it uses them, time or text."""

    def forward(  # type: ignore[override]
        self, x: Tensor, times: list[Time], contexts: list[Context]
    ) -> Tensor:
        for layer in self:
            if isinstance(layer, TimedBlock):
                x = layer(x, times.pop(0))
            elif isinstance(layer, ImageTransformer):
                x = layer(x, [contexts.pop(0) for _ in layer.transformer_blocks])
            else:
                x = layer(x)
        return x


class UNet(nn.Module):
    """Predicts noise (or v) from noisy latents.

    ``forward(x, timesteps, context)``: x [B, 4, H, W] with H and W multiples of 8, timesteps [B],
    context [B, 77, context_dim]; returns [B, 4, H, W].
    """

    def __init__(self, config: UNetConfig, make_attention: AttentionFactory) -> None:
        super().__init__()
        self.config = config
        self.make_attention = make_attention
        self.model_channels = config.model_channels
        emb_channels = 4 * config.model_channels
        self.time_embed = nn.Sequential(
            nn.Linear(config.model_channels, emb_channels),
            nn.SiLU(),
            nn.Linear(emb_channels, emb_channels),
        )
        widths = [config.model_channels * multiplier for multiplier in config.channel_mult]
        self.input_blocks, skip_channels = self._contracting(widths, emb_channels)
        self.middle_block = Block(
            self._res(widths[-1], widths[-1], emb_channels),
            self._transformer(widths[-1]),
            self._res(widths[-1], widths[-1], emb_channels),
        )
        self.output_blocks = self._expanding(widths, skip_channels, emb_channels)
        self.out = nn.Sequential(
            GroupNorm32(widths[0], eps=1e-5),
            nn.SiLU(),
            nn.Conv2d(widths[0], config.out_channels, kernel_size=3, padding=1),
        )
        self.num_times = len(self.timed_blocks())
        self.num_contexts = len(self.attending_blocks())

    def _res(self, in_channels: int, out_channels: int, emb_channels: int) -> ResBlock:
        return ResBlock(in_channels, out_channels, emb_channels, self.config.use_checkpoint)

    def _transformer(self, channels: int) -> SpatialTransformer:
        if self.config.num_heads is not None:
            num_heads = self.config.num_heads
        else:
            assert self.config.num_head_channels is not None
            num_heads = channels // self.config.num_head_channels
        return SpatialTransformer(channels, num_heads, self.config, self.make_attention)

    def _level_layers(
        self, level: int, in_channels: int, out_channels: int, emb_channels: int
    ) -> list[nn.Module]:
        layers: list[nn.Module] = [self._res(in_channels, out_channels, emb_channels)]
        if 2**level in self.config.attention_resolutions:
            layers.append(self._transformer(out_channels))
        return layers

    def _contracting(self, widths: list[int], emb_channels: int) -> tuple[nn.ModuleList, list[int]]:
        stem = nn.Conv2d(self.config.in_channels, widths[0], kernel_size=3, padding=1)
        blocks, skip_channels, channels = nn.ModuleList([Block(stem)]), [widths[0]], widths[0]
        for level, width in enumerate(widths):
            for _ in range(self.config.num_res_blocks):
                blocks.append(Block(*self._level_layers(level, channels, width, emb_channels)))
                skip_channels.append(width)
                channels = width
            if level < len(widths) - 1:
                blocks.append(Block(Downsample(width)))
                skip_channels.append(width)
        return blocks, skip_channels

    def _expanding(
        self, widths: list[int], skip_channels: list[int], emb_channels: int
    ) -> nn.ModuleList:
        blocks, channels = nn.ModuleList(), widths[-1]
        for level, width in reversed(list(enumerate(widths))):
            for index in range(self.config.num_res_blocks + 1):
                joined = channels + skip_channels.pop()
                layers = self._level_layers(level, joined, width, emb_channels)
                if level > 0 and index == self.config.num_res_blocks:
                    layers.append(Upsample(width))
                blocks.append(Block(*layers))
                channels = width
        return blocks

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        return self.predict(x, timestep_embedding(timesteps, self.model_channels), context)

    def predict(self, x: Tensor, sinusoids: Tensor, context: Tensor) -> Tensor:
        """``forward``, but given the timesteps' fp32 sinusoids [B, model_channels]."""
        emb = self.embed(sinusoids, x.dtype)
        return self.walk(x, [emb] * self.num_times, [context] * self.num_contexts)

    def embed(self, sinusoids: Tensor, dtype: torch.dtype) -> Tensor:
        """The time embedding [B, 4 * model_channels] in ``dtype``, which each ResBlock projects."""
        return self.time_embed(sinusoids.to(dtype))

    def walk(self, x: Tensor, times: list[Time], contexts: list[Context]) -> Tensor:
        """``forward`` with a time for each ResBlock and a context for each transformer block.

        Both lists are in the order in which the blocks run, and are emptied.
        """
        skips = []
        for block in self.input_blocks:
            x = block(x, times, contexts)
            skips.append(x)
        x = self.middle_block(x, times, contexts)
        for block in self.output_blocks:
            x = block(torch.cat([x, skips.pop()], dim=1), times, contexts)
        return self.out(x)

    def timed_blocks(self) -> list[TimedBlock]:
        """All ResBlocks, in the order in which they run."""
        return [module for module in self.modules() if isinstance(module, TimedBlock)]

    def attending_blocks(self) -> list[AttendingBlock]:
        """All transformer blocks, in the order in which they run."""
        return [module for module in self.modules() if isinstance(module, AttendingBlock)]
