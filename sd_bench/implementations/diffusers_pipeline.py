"""``implementation=diffusers_pipeline``: the whole StableDiffusionPipeline, as users call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from sd_bench.capabilities.torch_compat import Watcher, sdpa_backends
from sd_bench.config.schema import Config
from sd_bench.implementations.clip_tokenizer import make_clip_tokenizer
from sd_bench.implementations.diffusers_networks import Diffusers
from sd_bench.implementations.diffusers_schedulers import make_scheduler
from sd_bench.sampling.text_to_image import Batch, Images, StageTimer


class DiffusersPipeline(Diffusers):
    """One call from prompts to pixels, with diffusers' tokenizer, scheduler and guidance.

    It gets our initial latents, in the dtype of its weights as it would draw them, and leaves
    pixels on the device (``output_type="pt"``). Its safety checker and progress bar are off.
    ``callback_on_step_end`` passes on the final latents without a copy. There are no stages to
    time. ``encode_text`` and ``predict`` call its networks as the pipeline does: prompts separately
    from negative prompts, and with one timestep for all latents.
    """

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        super().__init__(config, device, watcher)
        self.pipeline = StableDiffusionPipeline(
            vae=self.peer.autoencoder,
            text_encoder=self.peer.text_encoder,
            tokenizer=make_clip_tokenizer(config.model_version.text_encoder),
            unet=self.peer.unet,
            scheduler=make_scheduler(config),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        self.pipeline.set_progress_bar_config(disable=True)
        with self.pipeline.progress_bar(total=0):  # the first one creates a lock file, even if off
            pass
        self.pipeline.unet = _AttendingUNet(config, self.peer.unet, self._run_unet)

    def encode_text(self, tokens: Tensor) -> Tensor:
        return torch.cat([self.networks.encode_text(half) for half in tokens.chunk(2)])

    def predict(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        timestep = timesteps.round().long()[0]  # the pipeline's is a zero-dimensional integer
        prediction: Tensor = self.pipeline.unet(x.to(self.dtype), timestep, context)[0]
        return prediction.float()

    def generate(self, batch: Batch, timer: StageTimer) -> Images:
        workload = self.config.workload
        latents = batch.latents

        def keep(_pipe: Any, _step: int, _t: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            nonlocal latents
            latents = tensors["latents"]
            return tensors

        pixels = self.pipeline(
            prompt=list(batch.prompts),
            negative_prompt=list(batch.negative_prompts),
            height=workload.height,
            width=workload.width,
            num_inference_steps=self.config.sampler.steps,
            guidance_scale=workload.guidance_scale,
            latents=batch.latents.to(self.dtype),
            output_type="pt",
            callback_on_step_end=keep,
        ).images
        return Images(latents.float(), pixels.float())


class _AttendingUNet(nn.Module):
    """The pipeline's UNet with the cell's attention backends.

    As in every implementation the backends are restricted only around the UNet: flash supports
    neither the text encoder's masks on CUDA nor the autoencoder's single wide head. ``run`` is
    ``unet`` as the cell runs it, perhaps compiled.
    """

    def __init__(self, config: Config, unet: Any, run: Callable[..., Tensor]) -> None:
        super().__init__()
        self.config, self.device, self.dtype = unet.config, unet.device, unet.dtype
        self.attention = config.attention
        self.run = run

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        return_dict: bool = False,
        **others: None,
    ) -> tuple[Tensor]:
        assert not return_dict
        assert set(others.values()) <= {None}  # inputs that only other pipelines have
        with sdpa_backends(self.attention.allowed_sdpa_backends, self.attention.upcast):
            return (self.run(sample, timestep, encoder_hidden_states),)
