"""Put packed layers and blocks into the place of a network's own."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sd_bench.networks.autoencoder import ResnetBlock
from sd_bench.networks.packed_blocks import (
    PackedResBlock,
    PackedResnetBlock,
    PackedSpatialTransformer,
)
from sd_bench.networks.packed_layers import PackedConv2d, PackedLinear, ProductConv2d
from sd_bench.networks.transformer import SpatialTransformer
from sd_bench.networks.unet import ResBlock


def fuse_blocks(network: nn.Module, small_as_product: bool) -> None:
    """Packed blocks, each of which does in its products what follows them."""

    def fused(module: nn.Module) -> nn.Module | None:
        if isinstance(module, ResBlock):
            return PackedResBlock(module, small_as_product)
        if isinstance(module, ResnetBlock):
            return PackedResnetBlock(module, small_as_product)
        if isinstance(module, SpatialTransformer):
            return PackedSpatialTransformer(module)
        return None

    _replace(network, fused)


def pack_layers(network: nn.Module, small_as_product: bool) -> None:
    """Packed convolutions and linear layers, but for those inside nn.MultiheadAttention, which
    reads their weights itself."""

    def packed(module: nn.Module) -> nn.Module | None:
        if type(module) is nn.Conv2d:
            return PackedConv2d(module, small_as_product)
        if type(module) is nn.Linear:
            return PackedLinear(module.weight, module.bias)
        return None

    _replace(network, packed)


def pack_now(network: nn.Module, rows: int | None = None) -> None:
    """Pack what would wait for its first input: convolutions for inputs of any size, linear layers
    for so many rows."""
    for module in network.modules():
        if isinstance(module, PackedLinear):
            module.pack(rows)
        elif isinstance(module, PackedConv2d):
            module.pack()


def multiply_small_convolutions(network: nn.Module) -> None:
    """3x3 convolutions that are matrix products where their input is small."""
    _replace(
        network,
        lambda m: ProductConv2d(m) if type(m) is nn.Conv2d and m.kernel_size == (3, 3) else None,
    )


def _replace(network: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> None:
    """Put what ``make`` gives for a module into its place, and look no further into it."""
    for name, module in list(network.named_children()):
        made = make(module)
        if made is None:
            _replace(module, make)
        else:
            network.add_module(name, made)
