"""One UNet call on inputs that are the same for every network."""

from __future__ import annotations

import torch

from sd_bench.capabilities.torch_compat import sdpa_backends
from sd_bench.networks.unet import UNet


@torch.no_grad()
def call(unet: UNet, allowed: tuple[str, ...], size: int = 8) -> torch.Tensor:
    """``unet`` on a 4 x ``size`` x ``size`` latent, with the ``allowed`` backends of SDPA."""
    generator = torch.Generator().manual_seed(0)
    dtype = next(unet.parameters()).dtype
    x = torch.randn(1, 4, size, size, generator=generator).to(dtype)
    context = torch.randn(1, 77, unet.config.context_dim, generator=generator).to(dtype)
    with sdpa_backends(allowed):
        return unet(x, torch.tensor([500]), context)
