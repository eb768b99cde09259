"""The UNet with what does not depend on the latents, time and prompt, projected in advance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sd_bench.networks.attention import Context, KeysAndValues
from sd_bench.networks.unet import ProjectedTime, Time, UNet, timestep_embedding


class ConditionedUNet(nn.Module):
    """``forward(x, time, *prompt)`` is the prediction for latents ``x`` [B, 4, H, W].

    With ``cached_time``, ``time`` is a row [1, T] of ``project_times``, shared by the batch;
    otherwise timesteps [B]. With ``cached_prompt``, ``prompt`` is the result of
    ``project_prompt``; otherwise only the context [B, 77, D].
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
        """A row [T] per timestep: what all ResBlocks add for it, concatenated.

        ``like`` has the features' dtype and device.
        """
        steps = torch.tensor(timesteps, dtype=torch.float32, device=like.device)
        emb = self.unet.embed(timestep_embedding(steps, self.unet.model_channels), like.dtype)
        return torch.cat([block.project(emb) for block in self.unet.timed_blocks()], dim=1)

    def project_prompt(self, context: Tensor) -> tuple[Tensor, ...]:
        """Each transformer block's keys and values for ``context`` [B, 77, D], in one tuple."""
        blocks = self.unet.attending_blocks()
        return tuple(each for block in blocks for each in block.attn2.project(context))
