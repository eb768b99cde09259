"""Time the parts of a round on this machine: a few calls at several sizes, networks built once."""

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
    """Seconds of the text encoder, the second UNet call and the decoder at one image size."""

    size: Size
    text_encode_s: float
    unet_call_s: float
    vae_decode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What ``measure_sizes`` returns: seconds to build the networks, and one point per size.

    Sizes are missing if time ran out or one did not fit into memory.
    """

    build_s: float
    points: list[Point]


def measure_sizes(
    config: Config, device: torch.device, sizes: Sequence[Size], limit_s: float
) -> Measured:
    """Measure ``sizes`` in the given order, on our own networks for ``config``, not compiled.

    A peer's networks may work at only one size; the times of ours are close enough to choose a
    scale. A size that would probably end after ``limit_s`` seconds is not started, nor are those
    after it.
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
    """Seconds that ``size`` should take, in proportion to its pixels; it makes two UNet calls."""
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
