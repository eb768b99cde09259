"""Configurations for tests and tools beside them, composed by Hydra as the command does it."""

from __future__ import annotations

from collections.abc import Callable

from sd_bench.config.schema import Config

Compose = Callable[..., Config]

#: A UNet of one level with 8 attention modules: the compiler is done with it in seconds.
QUICK_TO_COMPILE = ("model_version.unet.channel_mult=[1]", "model_version.unet.num_res_blocks=1")
