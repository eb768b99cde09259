"""What tests of implementations share: a cell's images, and the proof of one UNet call."""

from __future__ import annotations

import torch

from sd_bench.capabilities.torch_compat import HAS_SDPA
from sd_bench.config.schema import Config
from sd_bench.implementations.building import build
from sd_bench.implementations.protocol import Implementation
from sd_bench.measurement.kernel_proof import judge, profile_call
from sd_bench.records import KernelProof
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import Images

CPU = torch.device("cpu")


class NoTimer:
    """Takes the ends of stages and steps, and counts them."""

    def __init__(self) -> None:
        self.told = 0

    def step(self) -> None:
        self.told += 1

    def stage(self, name: str) -> None:
        self.told += 1


def images_of(config: Config, implementation: Implementation | None = None) -> Images:
    """The images of a cell's first iteration, by ``implementation`` or its own."""
    implementation = implementation or build(config, CPU)
    with implementation.running():
        return implementation.generate(make_batch(config, 0, CPU), NoTimer())


def one_call(implementation: Implementation) -> torch.Tensor:
    """A UNet call on noise that is always the same: [2, 4, 8, 8]."""
    config = implementation.config
    noise = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 8, 8, generator=noise)
    context = torch.randn(2, 77, config.model_version.unet.context_dim, generator=noise)
    with implementation.running():
        return implementation.predict(x, torch.tensor([500, 500]), context.to(x))


def eager_proof(implementation: Implementation) -> KernelProof:
    """Of one UNet call that is not compiled."""
    ran = profile_call(CPU, lambda: one_call(implementation))
    attention, modules = implementation.config.attention, implementation.attention_modules
    return judge(ran, attention, len(modules), compiled=False, has_sdpa=HAS_SDPA)
