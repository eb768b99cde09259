"""The UNet's spatial transformer: self-attention, attention to the text, feed-forward."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sd_bench.config.schema import UNetConfig
from sd_bench.networks.attention import AttentionFactory, Context, UNetAttention
from sd_bench.networks.normalization import GroupNorm


class GEGLU(nn.Module):
    """Gated GELU (Shazeer 2020, "GLU Variants Improve Transformer")."""

    def __init__(self, dim: int, inner_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner_dim)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """A gated layer four times as wide as its input, and a linear layer back: [B, N, C]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # The identity is in place of the published network's dropout, so that the keys match.
        self.net = nn.Sequential(GEGLU(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class AttendingBlock(nn.Module):
    """Base class of all transformer blocks: features [B, N, C] and a context to [B, N, C]."""

    attn1: UNetAttention
    attn2: UNetAttention


class TransformerBlock(AttendingBlock):
    """Self-attention, attention to the text and a feed-forward layer, each with a residual sum.

    ``use_checkpoint`` recomputes activations in the backward pass. At inference that saves nothing
    and adds overhead, but the published original code ran that way. Like that code, it passes every
    parameter through the checkpoint.
    """

    def __init__(
        self,
        dim: int,
        context_dim: int,
        num_heads: int,
        make: AttentionFactory,
        use_checkpoint: bool,
    ) -> None:
        super().__init__()
        self.use_checkpoint = use_checkpoint
        self.attn1 = make(dim, dim, num_heads)
        self.ff = FeedForward(dim)
        self.attn2 = make(dim, context_dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        if self.use_checkpoint:
            return checkpointed(self.compute, self.parameters(), x, context)
        return self.compute(x, context)

    def compute(self, x: Tensor, context: Context) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class ImageTransformer(nn.Module):
    """Base class of all stacks of transformer blocks over a feature map.

    ``forward`` takes features [B, C, H, W] and one context per block.
    """

    transformer_blocks: nn.ModuleList


class SpatialTransformer(ImageTransformer):
    """Transformer blocks over the positions of a feature map [B, C, H, W]."""

    def __init__(
        self, channels: int, num_heads: int, config: UNetConfig, make: AttentionFactory
    ) -> None:
        super().__init__()
        self.use_linear = config.use_linear_in_transformer
        self.norm = GroupNorm(channels, eps=1e-6)
        self.proj_in = self._projection(channels)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(channels, config.context_dim, num_heads, make, config.use_checkpoint)
            for _ in range(config.transformer_depth)
        )
        self.proj_out = self._projection(channels)

    def _projection(self, channels: int) -> nn.Module:
        if self.use_linear:
            return nn.Linear(channels, channels)
        return nn.Conv2d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor, contexts: list[Context]) -> Tensor:
        height, width = x.shape[-2:]
        h = self.norm(x)
        if not self.use_linear:
            h = self.proj_in(h)
        h = h.flatten(2).transpose(1, 2).contiguous()  # [B, H*W, C]
        if self.use_linear:
            h = self.proj_in(h)
        for index, block in enumerate(self.transformer_blocks):
            h = block(h, contexts[index])
        if self.use_linear:
            h = self.proj_out(h)
        h = h.transpose(1, 2).unflatten(2, (height, width))  # [B, C, H, W]
        if not self.use_linear:
            h = self.proj_out(h)
        return x + h


def checkpointed(
    compute: Callable[..., Tensor], parameters: Iterable[nn.Parameter], *inputs: Any
) -> Tensor:
    """``compute(*inputs)`` under activation checkpointing, passing ``parameters`` through it."""
    num_inputs = len(inputs)
    return checkpoint(
        lambda *args: compute(*args[:num_inputs]),
        *inputs,
        *parameters,
        use_reentrant=True,
        preserve_rng_state=False,
    )
