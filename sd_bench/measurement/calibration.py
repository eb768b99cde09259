"""How long the parts of a round take here: a few calls at several sizes, on networks built once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sd_bench.config.scaling import Size
from sd_bench.config.schema import OUR_IMPLEMENTATION, Config, ImplementationConfig
from sd_bench.implementations.building import build
from sd_bench.implementations.protocol import Implementation
from sd_bench.measurement.clock import timed_call
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import guided


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Seconds at one size: of the text encoder, of the second UNet call, of the decoder."""

    size: Size
    text_encode_s: float
    unet_call_s: float
    vae_decode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """``build_s`` is what the networks took; ``points`` are fewer than asked for if time ran out
    or a size did not fit into memory."""

    build_s: float
    points: list[Point]


def measure_sizes(
    config: Config, device: torch.device, sizes: Sequence[Size], limit_s: float
) -> Measured:
    """Measure ``sizes`` in their order on our networks for ``config``, eager.

    A peer's may be made for a single size; what ours take is near enough to choose a scale by.

    No size is begun that would, by the time of those before it, end after ``limit_s`` seconds.
    """
    began = time.monotonic()
    config = dataclasses.replace(
        config,
        compile=dataclasses.replace(config.compile, mode="off"),
        implementation=ImplementationConfig(name=OUR_IMPLEMENTATION),
    )
    build_s, implementation = timed_call(device, lambda: build(config, device))
    points: list[Point] = []
    with implementation.running():
        for size in sizes:
            point_began = time.monotonic()
            if points and point_began - began + _expected_s(points[-1], size) > limit_s:
                break
            try:
                points.append(_measure(implementation, size))
            except (RuntimeError, MemoryError):  # out of memory: larger sizes are too
                break
    return Measured(build_s=build_s, points=points)


def _expected_s(last: Point, size: Size) -> float:
    """At most in proportion to the pixels; with two UNet calls, one of them the first."""
    seconds = last.text_encode_s + 2 * last.unet_call_s + last.vae_decode_s
    return seconds * size.pixels / last.size.pixels


def _measure(implementation: Implementation, size: Size) -> Point:
    workload = dataclasses.replace(implementation.config.workload, **size._asdict())
    config, device = implementation.config, implementation.device
    config = dataclasses.replace(config, workload=workload)
    batch = make_batch(config, 0, device)
    text_s, context = timed_call(
        device,
        lambda: implementation.encode_text(torch.cat([batch.negative_tokens, batch.tokens])),
    )
    model = guided(implementation, context, config.workload.guidance_scale)

    def call() -> torch.Tensor:
        return model(batch.latents, max(implementation.sampler.timesteps))

    timed_call(device, call)
    unet_s, _ = timed_call(device, call)
    decode_s, _ = timed_call(
        device, lambda: implementation.decode(batch.latents / implementation.latent_scale)
    )
    return Point(size=size, text_encode_s=text_s, unet_call_s=unet_s, vae_decode_s=decode_s)
