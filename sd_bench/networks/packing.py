"""Replace a network's layers and blocks with packed ones."""

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
    """Replace blocks of ``network`` with packed ones that fuse what follows each product."""

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
    """Replace convolutions and linear layers of ``network`` with packed ones.

    Those inside nn.MultiheadAttention stay, because it reads their weights itself.
    """

    def packed(module: nn.Module) -> nn.Module | None:
        if type(module) is nn.Conv2d:
            return PackedConv2d(module, small_as_product)
        if type(module) is nn.Linear:
            return PackedLinear(module.weight, module.bias)
        return None

    _replace(network, packed)


def pack_now(network: nn.Module, rows: int | None = None) -> None:
    """Pack all weights now instead of at the first input.

    Convolutions are packed for inputs of any size, linear layers for ``rows`` rows.
    """
    for module in network.modules():
        if isinstance(module, PackedLinear):
            module.pack(rows)
        elif isinstance(module, PackedConv2d):
            module.pack()


def multiply_small_convolutions(network: nn.Module) -> None:
    """Make 3x3 convolutions of ``network`` use a matrix product if their input is small."""
    _replace(
        network,
        lambda m: ProductConv2d(m) if type(m) is nn.Conv2d and m.kernel_size == (3, 3) else None,
    )


def _replace(network: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replace each module for which ``make`` returns one, without looking inside the new one."""
    for name, module in list(network.named_children()):
        made = make(module)
        if made is None:
            _replace(module, make)
        else:
            network.add_module(name, made)
