"""From a prompt to an image, compared with diffusers' StableDiffusionPipeline.

Only weights, initial latents and settings are shared: diffusers uses its own tokenizer, text
encoder, sampler, UNet, guidance and autoencoder. Tiny networks, fp32, 50 steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sd_bench.config.schema import Config
from sd_bench.implementations.ours import Ours
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import Images, text_to_image
from tests.fidelity import peers, schedulers
from tests.fidelity.comparison import PIPELINE, Comparison, relative_error, worst_error
from tests.fidelity.ours import fp32_config
from tests.fidelity.tokenizers import transformers_tokenizer

PROMPTS = ["A photo of a small boat, 4 oars", "It's a naïve painting"]
CPU = torch.device("cpu")


class Unmarked:
    """Ignores the marks of stages and steps."""

    def step(self) -> None:
        return

    def stage(self, name: str) -> None:
        return


def our_images(config: Config) -> tuple[Ours, Images]:
    """A pipeline, and the images of its first iteration."""
    pipeline = Ours(config, CPU)
    batch = make_batch(config, 0, CPU)
    with pipeline.running():
        images = text_to_image(
            pipeline, pipeline.sampler, config.workload.guidance_scale, batch, Unmarked()
        )
    return pipeline, images


def their_images(config: Config, ours: Ours, scheduler: Any) -> tuple[Tensor, Tensor]:
    """The last latents and the pixels from diffusers, with the same weights and noise."""
    model, last = config.model_version, []
    pipe = _stable_diffusion(config, ours, scheduler)

    def keep(_pipe: Any, _step: int, _t: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        last.append(tensors["latents"])
        return tensors

    assert model.text_encoder.context_length == 77
    pixels = pipe(
        prompt=PROMPTS,
        negative_prompt=[config.negative_prompt] * len(PROMPTS),
        height=config.workload.height,
        width=config.workload.width,
        num_inference_steps=config.sampler.steps,
        guidance_scale=config.workload.guidance_scale,
        latents=make_batch(config, 0, CPU).latents,
        output_type="pt",
        callback_on_step_end=keep,
    ).images
    return last[-1], pixels


def _stable_diffusion(config: Config, ours: Ours, scheduler: Any) -> Any:
    from diffusers import StableDiffusionPipeline

    model = config.model_version
    # The published sd2 pads with token 0, which is "!".
    pad_token = {49407: "<|endoftext|>", 0: "!"}[model.text_encoder.pad_token]
    pipe = StableDiffusionPipeline(
        vae=peers.diffusers_autoencoder(ours.autoencoder, model.autoencoder),
        text_encoder=peers.transformers_text_model(ours.text_encoder, model.text_encoder),
        tokenizer=transformers_tokenizer(pad_token),
        unet=peers.diffusers_unet(ours.unet, model.unet),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pipeline_error(
    model_version: str, sampler: str, steps: int, size: int, make_scheduler: Callable[[], Any]
) -> float:
    """The larger error of the last latents and of the pixels."""
    config = _config(model_version, sampler, steps, size, batch=len(PROMPTS))
    config.prompt = PROMPTS
    pipeline, images = our_images(config)
    latents, pixels = their_images(config, pipeline, make_scheduler())
    return worst_error((images.latents, images.pixels), (latents, pixels))


def batch_size_error(model_version: str) -> float:
    """The first image of a batch of three against the same image alone."""
    _, alone = our_images(_config(model_version, "plms", 50, 128, batch=1))
    _, together = our_images(_config(model_version, "plms", 50, 128, batch=3))
    return relative_error(together.pixels[:1], alone.pixels)


def _config(model_version: str, sampler: str, steps: int, size: int, batch: int) -> Config:
    return fp32_config(
        model_version,
        f"sampler={sampler}",
        f"sampler.steps={steps}",
        f"workload.batch_size={batch}",
        f"workload.height={size}",
        f"workload.width={size}",
    )


def _pipeline(
    model_version: str,
    sampler: str,
    steps: int,
    make_scheduler: Callable[[], Any],
    size: int = 128,
    slow: bool = False,
) -> Comparison:
    what = f"{sampler}, {steps} steps, prompts to images of {size}x{size}"
    return Comparison(
        name=f"pipeline {model_version}, {what}",
        against="diffusers StableDiffusionPipeline",
        tolerance=PIPELINE,
        measure=partial(pipeline_error, model_version, sampler, steps, size, make_scheduler),
        needs=("diffusers", "transformers"),
        slow=slow,
    )


COMPARISONS = [
    _pipeline("sd1_tiny", "plms", 50, partial(schedulers.pndm, 50)),
    _pipeline("sd2_tiny", "plms", 50, partial(schedulers.pndm, 50)),
    _pipeline("sd2_768_tiny", "ddim", 50, partial(schedulers.ddim, 50, "v")),
    _pipeline("sd2_768_tiny", "dpm_solver", 27, partial(schedulers.dpm_solver, 27, "v")),
    _pipeline("sd2", "plms", 2, partial(schedulers.pndm, 2), size=64, slow=True),
    *(
        Comparison(
            name=f"pipeline {model_version}, plms, 50 steps, one image of a batch of 3",
            against="the same image alone",
            tolerance=PIPELINE,
            measure=partial(batch_size_error, model_version),
        )
        for model_version in ("sd1_tiny", "sd2_tiny")
    ),
]
