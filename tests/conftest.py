"""What all tests share: configurations, composed by Hydra as the command composes them."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from sd_bench.config import Config
from tests.composition import compose_config as composed

# One thread a test process: pytest runs two of them, and torch is not imported yet.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Compose = Callable[..., Config]

#: A UNet of one level with 8 attention modules: the compiler is done with it in seconds.
QUICK_TO_COMPILE = ("model_version.unet.channel_mult=[1]", "model_version.unet.num_res_blocks=1")


@pytest.fixture(scope="session")
def compose_config() -> Compose:
    """``compose_config("attention=math", "batch_size=2")``: a Config of these overrides."""
    return composed


@pytest.fixture(scope="session")
def tiny(compose_config: Compose) -> Compose:
    """As ``compose_config``, with sd2's tiny twin at 64x64 pixels in fp32 on the CPU."""

    def make(*overrides: str) -> Config:
        small = ("gpu=cpu", "model_version=sd2_tiny", "precision=fp32")
        return compose_config(*small, "workload.height=64", "workload.width=64", *overrides)

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: two processes share the tests, and neither waits for a long last one."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
