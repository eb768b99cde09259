"""Network blocks with packed weights, in which a product's kernel also does what follows it.

Residual sums, GEGLU's gate and the timestep's addition need no separate pass over memory here.
Each block is built from the module that it replaces.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sd_bench.networks import onednn
from sd_bench.networks.attention import (
    AttentionCore,
    Context,
    CrossAttention,
    KeysAndValues,
    MultiheadAttention,
    UNetAttention,
    split_heads,
)
from sd_bench.networks.autoencoder import ResnetBlock
from sd_bench.networks.packed_layers import PackedConv2d, PackedLinear, positions
from sd_bench.networks.transformer import (
    AttendingBlock,
    FeedForward,
    ImageTransformer,
    SpatialTransformer,
    TransformerBlock,
)
from sd_bench.networks.unet import ResBlock, Time, TimedBlock


class PackedResBlock(TimedBlock):
    """The UNet's ``ResBlock``, packed.

    A timestep that the whole batch shares is added to the first convolution's bias.
    """

    def __init__(self, block: ResBlock, small_as_product: bool) -> None:
        super().__init__()
        self.num_added = block.num_added
        self.emb_layers = block.emb_layers
        first: Any = block.in_layers
        second: Any = block.out_layers
        self.norm1, _, conv1 = first
        self.norm2, _, _, conv2 = second
        self.conv1 = PackedConv2d(conv1, small_as_product)
        self.conv2 = PackedConv2d(conv2, small_as_product)
        self.skip = _pack_skip(block.skip_connection)

    def forward(self, x: Tensor, emb: Time) -> Tensor:
        added = self.project(emb)
        h = F.silu(self.norm1(x), inplace=True)
        if len(added) == 1:
            h = self.conv1(h, plus_bias=added[0])
        else:
            h = self.conv1(h) + added[:, :, None, None]
        h = F.silu(self.norm2(h), inplace=True)
        return self.conv2(h, plus=self.skip(x))


class PackedResnetBlock(nn.Module):
    """The autoencoder's ``ResnetBlock``, packed."""

    def __init__(self, block: ResnetBlock, small_as_product: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.conv1 = PackedConv2d(block.conv1, small_as_product)
        self.conv2 = PackedConv2d(block.conv2, small_as_product)
        self.skip = _pack_skip(block.nin_shortcut)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x), inplace=True))
        h = F.silu(self.norm2(h), inplace=True)
        return self.conv2(h, plus=self.skip(x))


def _pack_skip(skip: nn.Module) -> nn.Module:
    return PackedConv2d(skip, False) if isinstance(skip, nn.Conv2d) else skip


class _Parts(NamedTuple):
    """The parts of an attention module; ``weights`` and ``biases`` are those of q, k and v."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor | None, ...]
    out: nn.Linear
    num_heads: int
    core: AttentionCore


def _take_apart(module: UNetAttention) -> _Parts:
    if isinstance(module, MultiheadAttention):
        weights, biases = module.projections()
        mha = module.mha
        return _Parts(weights, biases, mha.out_proj, mha.num_heads, F.scaled_dot_product_attention)
    assert isinstance(module, CrossAttention)
    weights = (module.to_q.weight, module.to_k.weight, module.to_v.weight)
    out: Any = module.to_out
    return _Parts(weights, (None, None, None), out[0], module.num_heads, module.core)


class PackedSelfAttention(UNetAttention):
    """Self-attention of either form, packed, with q, k and v from one product.

    ``plus`` [B, N, C] is added to the result.
    """

    def __init__(self, module: UNetAttention) -> None:
        super().__init__()
        parts = _take_apart(module)
        self.num_heads, self.core = parts.num_heads, parts.core
        biases = [bias for bias in parts.biases if bias is not None]
        self.to_qkv = PackedLinear(torch.cat(parts.weights), torch.cat(biases) if biases else None)
        self.out = PackedLinear(parts.out.weight, parts.out.bias)

    def forward(self, x: Tensor, plus: Tensor) -> Tensor:
        q, k, v = (split_heads(each, self.num_heads) for each in self.to_qkv(x).chunk(3, dim=-1))
        return self.out(self.core(q, k, v).transpose(1, 2).flatten(2), plus=plus)


class PackedCrossAttention(UNetAttention):
    """Cross-attention of either form, packed; ``plus`` [B, N, C] is added to the result."""

    def __init__(self, module: UNetAttention) -> None:
        super().__init__()
        parts = _take_apart(module)
        self.num_heads, self.core = parts.num_heads, parts.core
        self.to_q, self.to_k, self.to_v = map(PackedLinear, parts.weights, parts.biases)
        self.out = PackedLinear(parts.out.weight, parts.out.bias)

    def forward(self, x: Tensor, context: Tensor | KeysAndValues, plus: Tensor) -> Tensor:
        q = split_heads(self.to_q(x), self.num_heads)
        k, v = context if isinstance(context, KeysAndValues) else self.project(context)
        return self.out(self.core(q, k, v).transpose(1, 2).flatten(2), plus=plus)

    def project(self, context: Tensor) -> KeysAndValues:
        keys, values = self.to_k(context), self.to_v(context)
        return KeysAndValues(split_heads(keys, self.num_heads), split_heads(values, self.num_heads))


class PackedFeedForward(nn.Module):
    """``FeedForward``, packed, with GEGLU's two halves as separate products.

    The gate's product applies the GELU, the value's product multiplies by the gate. ``plus`` is
    added to the result.
    """

    def __init__(self, feed_forward: FeedForward) -> None:
        super().__init__()
        layers: Any = feed_forward.net
        geglu, _, down = layers
        (value, gate), (value_bias, gate_bias) = (
            each.chunk(2) for each in (geglu.proj.weight, geglu.proj.bias)
        )
        self.value, self.gate = PackedLinear(value, value_bias), PackedLinear(gate, gate_bias)
        self.down = PackedLinear(down.weight, down.bias)

    def forward(self, x: Tensor, plus: Tensor) -> Tensor:
        gate = self.gate(x, then=onednn.GELU)
        return self.down(self.value(x, times=gate), plus=plus)


class PackedTransformerBlock(AttendingBlock):
    """``TransformerBlock``, packed: features [B, N, C] and a context to [B, N, C]."""

    def __init__(self, block: TransformerBlock) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = block.norm1, block.norm2, block.norm3
        self.attn1 = PackedSelfAttention(block.attn1)
        self.attn2 = PackedCrossAttention(block.attn2)
        self.ff = PackedFeedForward(block.ff)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        x = self.attn1(self.norm1(x), plus=x)
        x = self.attn2(self.norm2(x), context, plus=x)
        return self.ff(self.norm3(x), plus=x)


class PackedSpatialTransformer(ImageTransformer):
    """``SpatialTransformer``, packed.

    Features stay channels last, so that rows of positions are a view of a feature map.
    """

    def __init__(self, transformer: SpatialTransformer) -> None:
        super().__init__()
        projections: Any = transformer.proj_in, transformer.proj_out
        blocks: Any = transformer.transformer_blocks
        self.norm = transformer.norm
        self.proj_in, self.proj_out = (
            PackedLinear(layer.weight.flatten(1), layer.bias) for layer in projections
        )
        self.transformer_blocks = nn.ModuleList(map(PackedTransformerBlock, blocks))

    def forward(self, x: Tensor, contexts: list[Context]) -> Tensor:
        batch, channels, height, width = x.shape
        h = self.proj_in(positions(self.norm(x))).view(batch, height * width, channels)
        for block, context in zip(self.transformer_blocks, contexts, strict=True):
            h = block(h, context)
        out = self.proj_out(h.flatten(0, 1), plus=positions(x))
        return out.view(batch, height, width, channels).permute(0, 3, 1, 2)
