"""What an implementation provides; clock, rounds, latents, parity and records are shared by all."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor, nn

from sd_bench.capabilities.torch_compat import CompiledCalls, Watcher
from sd_bench.config.schema import Config
from sd_bench.records import Conversion
from sd_bench.sampling.sampler import Sampler
from sd_bench.sampling.text_to_image import Batch, Images, StageTimer, text_to_image


class Implementation(Protocol):
    """The networks or pipeline that draw the images of one cell, built with our weights.

    Call everything below inside ``running()``. ``B`` is the number of images, ``h`` and ``w`` are
    an eighth of an image's height and width in pixels; a guided UNet call takes 2B latents, the
    negative prompts' half first.
    """

    config: Config
    device: torch.device
    #: Our sampler, for implementations whose networks our sampling code calls one by one.
    sampler: Sampler
    #: Latents are divided by this before decoding.
    latent_scale: float

    @property
    def attention_modules(self) -> list[nn.Module]:
        """The UNet's attention modules that ``predict`` runs; empty if they are not PyTorch's."""

    @property
    def compiled_calls(self) -> CompiledCalls | None:
        """Counts of the UNet's calls if torch.compile compiles it, else ``None``."""

    @property
    def conversion(self) -> Conversion | None:
        """The time and settings of converting our networks, if it does; else ``None``."""

    @property
    def unprovable(self) -> str | None:
        """Why the profiler cannot see the attention kernels, or ``None`` if it can.

        A cell with a reason is never proven.
        """

    def running(self) -> AbstractContextManager[None]:
        """A context for every call: no gradients, and whatever else the calls need."""

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, 77] to the context that the UNet attends to, [B, 77, D]."""

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        """One UNet call: maps latents [2B, 4, h, w] in fp32, timesteps [2B] and context
        [2B, 77, D] to the prediction, in fp32 and of the latents' shape."""

    def decode(self, latents: Tensor) -> Tensor:
        """Map unscaled latents [B, 4, h, w] to images [B, 3, 8h, 8w], roughly in -1..1."""

    def generate(self, batch: Batch, timer: StageTimer) -> Images:
        """The timed call: everything from the prompts of ``batch`` to its images.

        ``timer`` is called at the end of each stage and step, unless there are no stages.
        """


class Staged:
    """``generate`` for an implementation whose networks our sampling code calls one by one."""

    config: Config
    device: torch.device
    sampler: Sampler
    latent_scale: float

    def generate(self: Implementation, batch: Batch, timer: StageTimer) -> Images:
        guidance_scale = self.config.workload.guidance_scale
        return text_to_image(self, self.sampler, guidance_scale, batch, timer)


class Factory(Protocol):
    """Builds an implementation; the table of implementations names one for each.

    ``watcher`` wraps each run of a graph that torch.compile makes. Raises WeightsError for a
    checkpoint that it cannot use.
    """

    def __call__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> Implementation: ...
