"""What the tests on a GPU share: the device, and tiny networks on it."""

from __future__ import annotations

import pytest
import torch

from tests.support.composition import Compose


@pytest.fixture(scope="session", autouse=True)
def device() -> torch.device:
    """The first CUDA device. Without one every test in this folder is skipped, here."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return torch.device("cuda", 0)


@pytest.fixture(scope="session")
def on_gpu(compose_config: Compose) -> Compose:
    """As ``compose_config``, for the GPU that is there and 128x128 pixels.

    The smallest feature map is then 2x2: a backend may refuse a sequence of one element.
    """
    return lambda *overrides: compose_config(
        "gpu=auto", "workload.height=128", "workload.width=128", *overrides
    )
