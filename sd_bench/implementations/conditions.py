"""What a UNet call needs of timestep and prompt, computed once per image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sd_bench.networks.conditioned_unet import ConditionedUNet


class ImageConditions:
    """``(timesteps [B], context [B, 77, D])`` to what ``ConditionedUNet`` takes beside latents.

    A context that was not the last one begins an image. ``sampler_timesteps`` are all that are
    asked for; the batch's timesteps are one of them, the same for all of the batch. Raises
    ValueError for another one on a CPU; a GPU is not waited for, and would give another's row.
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
