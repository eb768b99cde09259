"""oneDNN's matrix products and convolutions on weights that are packed once.

These are the operators that PyTorch's compiler calls when it treats weights as constants
(torch/_inductor/fx_passes/mkldnn_fusion.py); they are not public. A packed weight has the layout
that suits one input size, but works with other sizes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

#: What oneDNN can apply to the result of a product while it is still in registers.
NOTHING = "none"
GELU = "gelu"
ADD = "add"
MULTIPLY = "mul"
_OPERATORS = ("_linear_pointwise", "_convolution_pointwise", "_reorder_linear_weight")


def why_no_packed_weights(dtype: torch.dtype) -> str | None:
    """Why this PyTorch on this processor cannot compute with packed weights, or None."""
    if not torch.backends.mkldnn.is_available():
        return "this PyTorch is built without oneDNN"
    missing = [name for name in _OPERATORS if not hasattr(torch.ops.mkldnn, name)]
    if missing:
        return f"this PyTorch does not have oneDNN's operator {missing[0]}"
    supports = {
        torch.bfloat16: "_is_mkldnn_bf16_supported",
        torch.float16: "_is_mkldnn_fp16_supported",
    }.get(dtype)
    if supports is not None and not getattr(torch.ops.mkldnn, supports, lambda: False)():
        return f"oneDNN has no {str(dtype).removeprefix('torch.')} on this processor"
    return None


def pack_linear(weight: Tensor, rows: int | None) -> Tensor:
    """``weight`` [out, in], packed for inputs of ``rows`` rows, or of any number if None."""
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
    return packed


def linear(x: Tensor, packed: Tensor, bias: Tensor | None, then: str = NOTHING) -> Tensor:
    """``x`` [..., in] times the weight, plus ``bias``, then ``then``; ``GELU`` is the exact one."""
    algorithm = "none" if then == GELU else ""
    out: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, packed, bias, then, [], algorithm)
    return out


def linear_with(x: Tensor, packed: Tensor, bias: Tensor | None, other: Tensor, how: str) -> Tensor:
    """``linear``, then ``other``, of the result's shape, applied by ``how``: ADD or MULTIPLY."""
    out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, packed, bias, how)
    return out


def pack_convolution(
    weight: Tensor, padding: Sequence[int], stride: Sequence[int], size: Sequence[int] | None
) -> Tensor:
    """``weight`` [out, in, h, w], packed for inputs of ``size`` [B, in, H, W], or any if None."""
    reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    packed: Tensor = reorder(
        weight.to_mkldnn(),
        list(padding),
        list(stride),
        [1, 1],
        1,
        None if size is None else list(size),
    )
    return packed


def convolution(
    x: Tensor,
    packed: Tensor,
    bias: Tensor | None,
    padding: Sequence[int],
    stride: Sequence[int],
    plus: Tensor | None = None,
) -> Tensor:
    """Convolve ``x`` [B, in, H, W], channels last; ``plus`` is added to the result."""
    operators = torch.ops.mkldnn
    out: Tensor
    if plus is None:
        out = operators._convolution_pointwise.default(
            x, packed, bias, padding, stride, (1, 1), 1, "none", [], ""
        )
    else:
        out = operators._convolution_pointwise.binary(
            x, plus, packed, bias, padding, stride, (1, 1), 1, ADD, 1.0, None, [], None
        )
    return out
