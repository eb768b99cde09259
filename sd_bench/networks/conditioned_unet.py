"""The UNet with what does not change from step to step computed before: time and prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sd_bench.networks.attention import Context, KeysAndValues
from sd_bench.networks.unet import ProjectedTime, Time, UNet, timestep_embedding


class ConditionedUNet(nn.Module):
    """``forward(x, time, *prompt)``: the prediction for latents ``x`` [B, 4, H, W].

    With ``cached_time``, ``time`` is a row [1, T] of ``project_times``, which all of the batch
    share, else timesteps [B]. With ``cached_prompt``, ``prompt`` is what ``project_prompt`` gives,
    else the context [B, 77, D] alone.
    """

    def __init__(self, unet: UNet, cached_time: bool, cached_prompt: bool) -> None:
        super().__init__()
        self.unet = unet
        self.cached_time = cached_time
        self.cached_prompt = cached_prompt
        self.widths = [block.num_added for block in unet.timed_blocks()]

    def forward(self, x: Tensor, time: Tensor, *prompt: Tensor) -> Tensor:
        times = self._times(x, time)
        contexts: list[Context] = [prompt[0]] * self.unet.num_contexts
        if self.cached_prompt:
            contexts = [
                KeysAndValues(prompt[2 * index], prompt[2 * index + 1])
                for index in range(self.unet.num_contexts)
            ]
        return self.unet.walk(x, times, contexts)

    def _times(self, x: Tensor, time: Tensor) -> list[Time]:
        if self.cached_time:
            return [ProjectedTime(added) for added in time.split(self.widths, dim=1)]
        emb = self.unet.embed(timestep_embedding(time, self.unet.model_channels), x.dtype)
        return [emb] * self.unet.num_times

    def project_times(self, timesteps: Sequence[float], like: Tensor) -> Tensor:
        """A row [T] for each of ``timesteps``: what all ResBlocks add, one beside the other.

        ``like`` has the dtype and device of the features.
        """
        steps = torch.tensor(timesteps, dtype=torch.float32, device=like.device)
        emb = self.unet.embed(timestep_embedding(steps, self.unet.model_channels), like.dtype)
        return torch.cat([block.project(emb) for block in self.unet.timed_blocks()], dim=1)

    def project_prompt(self, context: Tensor) -> tuple[Tensor, ...]:
        """Keys and values of each transformer block's attention to ``context`` [B, 77, D]."""
        blocks = self.unet.attending_blocks()
        return tuple(each for block in blocks for each in block.attn2.project(context))
