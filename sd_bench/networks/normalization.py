"""Group normalisation, in the two forms of the published code.

They differ only under autocast, where features are in half precision and weights in fp32.
"""

from __future__ import annotations

from torch import Tensor, nn

GROUPS = 32


class GroupNorm(nn.GroupNorm):
    """Computes in its weights' dtype and returns that dtype, as autocast does on CUDA."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(GROUPS, channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))


class GroupNorm32(GroupNorm):
    """Computes in its weights' dtype and returns the features' dtype."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(x.dtype)
