"""Compares our UNet with itself: every form of its attention, both weight layouts, in fp32."""

from __future__ import annotations

from functools import partial

import torch

from sd_bench.capabilities.torch_compat import sdpa_backends
from sd_bench.config.schema import Config
from sd_bench.networks.unet import UNet
from tests.fidelity.comparison import ATTENTION, Comparison, relative_error
from tests.fidelity.ours import fp32_config, normal, random_unet, text_like
from tests.support.runnable import HAS_CPU_FLASH

#: Overrides that run on the CPU under this PyTorch, compared with attention=original. Before
#: PyTorch 2.1 fused attention on the CPU cannot be chosen.
FORMS = {
    "original with upcast": ("attention=original", "attention.upcast=true"),
    "math": ("attention=math",),
    **({"flash": ("attention=flash",)} if HAS_CPU_FLASH else {}),
    "auto": ("attention=auto",),
}


@torch.no_grad()
def unet_output(config: Config, unet: UNet) -> torch.Tensor:
    """The output for latents [2, 4, 16, 16], with the backends that ``config`` allows."""
    x, context = normal(2, 4, 16, 16), text_like(2, unet.config.context_dim)
    with sdpa_backends(config.attention.allowed_sdpa_backends):
        return unet(x, torch.tensor([981, 500]), context)


def form_error(model_version: str, overrides: tuple[str, ...]) -> float:
    reference = fp32_config(model_version, "attention=original", "attention.upcast=false")
    expected = unet_output(reference, random_unet(reference))
    config = fp32_config(model_version, *overrides)
    return relative_error(unet_output(config, random_unet(config)), expected)


COMPARISONS = [
    Comparison(
        name=f"UNet {model_version}, attention {form}",
        against="attention original",
        tolerance=ATTENTION,
        measure=partial(form_error, model_version, overrides),
        slow=not model_version.endswith("_tiny"),
    )
    for model_version in ("sd1_tiny", "sd2_tiny", "sd1", "sd2")
    for form, overrides in FORMS.items()
    if model_version.endswith("_tiny") or form in ("math", "flash")
]
