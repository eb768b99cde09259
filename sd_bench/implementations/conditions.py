"""The UNet's inputs from timestep and prompt, computed once per image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sd_bench.networks.conditioned_unet import ConditionedUNet


class ImageConditions:
    """Maps ``(timesteps [B], context [B, 77, D])`` to ``ConditionedUNet``'s inputs after latents.

    A context that differs from the last one starts an image. All elements of ``timesteps`` must be
    the same one of ``sampler_timesteps``. On a CPU another timestep raises ValueError; on a GPU it
    is not checked, since that would wait for the GPU, and the result is another timestep's.
    """

    def __init__(self, unet: ConditionedUNet, sampler_timesteps: Sequence[float]) -> None:
        self._unet = unet
        self._sampler_timesteps = sorted(sampler_timesteps)
        self._context: Tensor | None = None
        self._prompt: tuple[Tensor, ...] = ()
        self._known = self._rows = torch.empty(0)

    def __call__(self, timesteps: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        if context is not self._context:
            self._begin_image(context)
        return (self._time(timesteps), *self._prompt)

    def _begin_image(self, context: Tensor) -> None:
        unet = self._unet
        self._prompt = unet.project_prompt(context) if unet.cached_prompt else (context,)
        if unet.cached_time:
            self._rows = unet.project_times(self._sampler_timesteps, context)
            self._known = torch.tensor(
                self._sampler_timesteps, dtype=torch.float32, device=context.device
            )
        self._context = context

    def _time(self, timesteps: Tensor) -> Tensor:
        if not self._unet.cached_time:
            return timesteps
        row = torch.searchsorted(self._known, timesteps[:1].float())
        if row.device.type == "cpu":
            timestep = timesteps.numpy()[0]
            if timestep not in self._known.numpy():
                raise ValueError(f"timestep {timestep} is not one of the sampler's timesteps")
        return self._rows.index_select(0, row)
