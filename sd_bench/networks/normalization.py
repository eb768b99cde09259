"""Group normalisation, in the two forms of the published code.

They differ under autocast only, where features are half precision and weights fp32.
"""

from __future__ import annotations

from torch import Tensor, nn

GROUPS = 32


class GroupNorm(nn.GroupNorm):
    """Computes in its weights' dtype and leaves the result in it, as autocast does on CUDA."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(GROUPS, channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))


class GroupNorm32(GroupNorm):
    """Computes in its weights' dtype and gives the result back in the features' own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(x.dtype)
