"""Layers whose weights oneDNN packs once, and small convolutions as matrix products.

PyTorch's own convolution packs its weight again in every call, which is a large part of an eager
UNet call: docs/optimizations.md has the figures.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sd_bench.networks import onednn

#: Up to this many positions (B * H * W) a 3x3 convolution is faster as a product with its patches:
#: its time goes into reading the weight, not arithmetic, and a product reads it fastest.
MOST_POSITIONS = 128


class PackedLinear(nn.Module):
    """A linear layer, [..., in] to [..., out].

    Its weight is packed for the size of the first input, or in advance by ``pack``.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.in_features = weight.shape[1]
        self.bias = None if bias is None else bias.detach()
        self._unpacked: Tensor | None = weight.detach()
        self._packed: Tensor | None = None

    def forward(
        self,
        x: Tensor,
        *,
        then: str = onednn.NOTHING,
        plus: Tensor | None = None,
        times: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """The product, followed in the same kernel by at most one of three operations.

        ``then`` is an activation; ``plus`` and ``times``, of the result's shape, are added to and
        multiplied with it. ``bias`` replaces the module's own.
        """
        packed = self.pack(x.numel() // self.in_features)
        bias = self.bias if bias is None else bias
        if plus is not None:
            return onednn.linear_with(x, packed, bias, plus, onednn.ADD)
        if times is not None:
            return onednn.linear_with(x, packed, bias, times, onednn.MULTIPLY)
        return onednn.linear(x, packed, bias, then)

    def pack(self, rows: int | None = None) -> Tensor:
        """The packed weight; packs it for inputs of ``rows`` rows if it is not packed yet."""
        if self._packed is None:
            assert self._unpacked is not None
            self._packed = onednn.pack_linear(self._unpacked, rows)
            self._unpacked = None
        return self._packed


class PackedConv2d(nn.Module):
    """A convolution, channels last.

    Its weight is packed for the size of the first input, or in advance by ``pack``. A 1x1
    convolution is computed as a linear layer. With ``small_as_product``, so is a 3x3 one of a small
    input: on its patches in fp32, as a ``TapProduct`` in half precision.
    """

    def __init__(self, conv: nn.Conv2d, small_as_product: bool) -> None:
        super().__init__()
        assert not isinstance(conv.padding, str)
        self.stride, self.padding = conv.stride, conv.padding
        self.kernel_size = conv.kernel_size
        self.small_as_product = small_as_product
        self.bias = None if conv.bias is None else conv.bias.detach()
        self._unpacked: Tensor | None = conv.weight.detach()
        self._packed: Tensor | None = None
        self._linear: PackedLinear | None = None
        self._taps: TapProduct | None = None

    def forward(
        self, x: Tensor, plus: Tensor | None = None, plus_bias: Tensor | None = None
    ) -> Tensor:
        """Convolve ``x``; the same kernel adds ``plus``, of the result's shape, and ``plus_bias``
        [out].
        """
        x = x.contiguous(memory_format=torch.channels_last)
        self.pack(x.shape)
        bias = self.bias
        if plus_bias is not None:
            bias = plus_bias if bias is None else bias + plus_bias
        if self._taps is not None:
            return self._taps(x, bias, plus)
        if self._linear is not None:
            return self._product(self._linear, x, plus, bias)
        assert self._packed is not None
        return onednn.convolution(x, self._packed, bias, self.padding, self.stride, plus)

    def pack(self, size: torch.Size | None = None) -> None:
        """Pack the weight for inputs of ``size`` [B, in, H, W] if it is not packed yet."""
        weight, self._unpacked = self._unpacked, None
        if weight is None:
            return
        is_point = self.kernel_size == (1, 1) and self.stride == (1, 1)
        is_product = self.small_as_product and size is not None and is_small(self, size)
        if is_product and weight.dtype != torch.float32:
            self._taps = TapProduct(weight)
        elif is_point or is_product:
            self._linear = PackedLinear(flat_weight(weight), None)
        else:
            self._packed = onednn.pack_convolution(weight, self.padding, self.stride, size)

    def _product(
        self, linear: PackedLinear, x: Tensor, plus: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        batch, _, height, width = x.shape
        rows = positions(x) if self.kernel_size == (1, 1) else patches(x)
        out = linear(rows, plus=None if plus is None else positions(plus), bias=bias)
        return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


class TapProduct:
    """A padded 3x3 convolution of a small input as two products.

    The first multiplies every position by all nine taps of the weight at once, because a weight
    this wide is read fastest. The second, with a matrix of zeros and ones, sums the nine products
    that belong to each position in the accumulators, so it rounds only once.
    """

    def __init__(self, weight: Tensor) -> None:
        self.num_out = weight.shape[0]
        self._all_taps = PackedLinear(weight.permute(2, 3, 0, 1).flatten(0, 2), None)

    def __call__(self, x: Tensor, bias: Tensor | None, plus: Tensor | None) -> Tensor:
        batch, _, height, width = x.shape
        products = self._all_taps(positions(x)).view(batch, -1, self.num_out)  # [B, H * W * 9, out]
        added = bias
        if plus is not None:
            rows = positions(plus).view(batch, -1, self.num_out)
            added = rows if bias is None else rows + bias
        out = _add_meeting(products, height, width, x.new_zeros(()) if added is None else added)
        return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _add_meeting(products: Tensor, height: int, width: int, added: Tensor) -> Tensor:
    """The sums [B, H * W, C] of ``products`` [B, H * W * 9, C] with nine taps, plus ``added``."""
    batch, _, channels = products.shape
    if height * width > MOST_POSITIONS:  # the matrix's size would grow with the square
        to, source = _meetings(height, width)
        sums = added.float().expand(batch, height * width, channels).clone()
        return sums.index_add_(1, to, products[:, source].float()).to(products.dtype)
    matrix = _matrix(height, width, products.dtype).expand(batch, -1, -1)
    return torch.baddbmm(added, matrix, products)


@cache
def _meetings(height: int, width: int) -> tuple[Tensor, Tensor]:
    """The position to which each product is added, and the product's index in H * W * 9."""
    at = torch.arange(height * width).view(1, height, width)
    seen = F.pad(at, (1, 1, 1, 1), value=-1)[0].unfold(0, 3, 1).unfold(1, 3, 1).reshape(-1, 9)
    to, tap = (seen >= 0).nonzero().unbind(1)
    return to, seen[to, tap] * 9 + tap


@cache
def _matrix(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """``_meetings`` as a matrix of zeros and ones, [1, H * W, H * W * 9]."""
    to, source = _meetings(height, width)
    matrix = torch.zeros(1, height * width, height * width * 9, dtype=dtype)
    matrix[0, to, source] = 1
    return matrix


class ProductConv2d(nn.Module):
    """A 3x3 convolution that is computed as a matrix product if its input is small."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        if not is_small(conv, x.shape):
            return conv(x)
        out = F.linear(patches(x), flat_weight(conv.weight), conv.bias)
        batch, _, height, width = x.shape
        return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


def is_small(conv: nn.Conv2d | PackedConv2d, size: torch.Size) -> bool:
    """Whether ``conv`` is faster as a product for an input of ``size`` [B, C, H, W]."""
    is_plain = conv.kernel_size == (3, 3) and conv.stride == (1, 1) and conv.padding == (1, 1)
    return is_plain and size[0] * size[2] * size[3] <= MOST_POSITIONS


def flat_weight(weight: Tensor) -> Tensor:
    """[out, in, h, w] as [out, h * w * in]; a view if the memory format is channels last."""
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)


def positions(x: Tensor) -> Tensor:
    """[B, C, H, W] as [B * H * W, C]; a view if the memory format is channels last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def patches(x: Tensor) -> Tensor:
    """A padded 3x3 convolution's input at each position of [B, C, H, W]: [B * H * W, 9 * C]."""
    batch, channels, height, width = x.shape
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))  # [B, H + 2, W + 2, C]
    by_image, by_row, by_column, _ = padded.stride()
    windows = padded.as_strided(
        (batch, height, width, 3, 3 * channels), (by_image, by_row, by_column, by_row, 1)
    )
    return windows.reshape(batch * height * width, 9 * channels)
