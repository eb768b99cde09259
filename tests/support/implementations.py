"""What tests of implementations share: the images of a cell, and the proof of a UNet call."""

from __future__ import annotations

from collections.abc import Callable

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
    """Counts the ends of stages and steps."""

    def __init__(self) -> None:
        self.num_ends = 0

    def step(self) -> None:
        self.num_ends += 1

    def stage(self, name: str) -> None:
        self.num_ends += 1


def images_of(config: Config, implementation: Implementation | None = None) -> Images:
    """The images of a cell's first iteration, by ``implementation`` or the cell's own."""
    implementation = implementation or build(config, CPU)
    with implementation.running():
        return implementation.generate(make_batch(config, 0, CPU), NoTimer())


def unet_call(implementation: Implementation) -> Callable[[], torch.Tensor]:
    """A prepared UNet call on the first noise of its cell, twice, with an empty prompt."""
    batch = make_batch(implementation.config, 0, CPU)
    with implementation.running():
        context = implementation.encode_text(torch.cat([batch.negative_tokens] * 2))
    x = torch.cat([batch.latents] * 2)

    def call() -> torch.Tensor:
        with implementation.running():
            return implementation.predict(x, torch.tensor([500, 500]), context)

    return call


def one_call(implementation: Implementation) -> torch.Tensor:
    """The output of ``unet_call``."""
    return unet_call(implementation)()


def eager_proof(implementation: Implementation) -> KernelProof:
    """The kernel proof of one UNet call without the compiler."""
    ran = profile_call(CPU, unet_call(implementation))
    attention, modules = implementation.config.attention, implementation.attention_modules
    return judge(ran, attention, len(modules), compiled=False, has_sdpa=HAS_SDPA)
