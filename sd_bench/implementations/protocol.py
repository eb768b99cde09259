"""What an implementation provides. Clock, rounds, latents, parity and records are ours, for all."""

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
    """What computes the images of one cell: built from our weights, ready to run.

    Enter ``running()`` around everything that calls it. ``B`` is a number of images, ``h`` and
    ``w`` are an eighth of an image's height and width in pixels; a guided UNet call takes 2B
    latents, the negative prompt's half first.
    """

    config: Config
    device: torch.device
    #: Our sampler, for implementations whose networks our sampling core calls one by one.
    sampler: Sampler
    #: What latents are divided by before they are decoded.
    latent_scale: float

    @property
    def attention_modules(self) -> list[nn.Module]:
        """The UNet's attention modules that ``predict`` runs; none where they are not PyTorch's."""

    @property
    def compiled_calls(self) -> CompiledCalls | None:
        """What became of the UNet's calls where torch.compile compiles it, else ``None``."""

    @property
    def conversion(self) -> Conversion | None:
        """What turning our networks into its own took, where it does; else ``None``."""

    @property
    def unprovable(self) -> str | None:
        """Why the attention kernels cannot be seen here, or ``None`` where the profiler sees them.

        A cell with a reason is never called proven.
        """

    def running(self) -> AbstractContextManager[None]:
        """No gradients, and what else has to hold around every call."""

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Tokens [B, 77] to what the UNet attends to [B, 77, D]."""

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        """One UNet call: latents [2B, 4, h, w] fp32, timesteps [2B] and context [2B, 77, D] to the
        prediction, of the latents' shape, fp32."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, 4, h, w], unscaled, to images [B, 3, 8h, 8w] around -1..1."""

    def generate(self, batch: Batch, timer: StageTimer) -> Images:
        """The timed call: all from the prompts of ``batch`` to its images.

        ``timer`` is called at the end of each stage and step; without stages it is not called.
        """


class Staged:
    """``generate`` of an implementation whose networks our sampling core calls one by one."""

    config: Config
    device: torch.device
    sampler: Sampler
    latent_scale: float

    def generate(self: Implementation, batch: Batch, timer: StageTimer) -> Images:
        guidance_scale = self.config.workload.guidance_scale
        return text_to_image(self, self.sampler, guidance_scale, batch, timer)


class Factory(Protocol):
    """Builds an implementation; what the table of implementations names.

    ``watcher`` stands around each run of a graph that torch.compile makes. Raises WeightsError for
    a checkpoint that it cannot use.
    """

    def __call__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> Implementation: ...
