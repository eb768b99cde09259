"""What the tests on a GPU share: the device, and tiny networks on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.composition import Compose

#: The time limit in seconds of tests that compile; others have the limit of the command.
COMPILING_LIMIT_S = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that compile last: if time runs out, they are the ones to be cut off."""
    items.sort(key=_compiles)
    for item in filter(_compiles, items):
        item.add_marker(pytest.mark.timeout(COMPILING_LIMIT_S))


def _compiles(item: pytest.Item) -> bool:
    return "fresh_compiler" in getattr(item, "fixturenames", ())


@pytest.fixture
def fresh_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler without earlier state, as in the process of a round.

    Neither Dynamo's state in the process nor the key of Inductor's cache on disk includes the
    allowed attention backends: without this a second backend would get the kernels of the first.
    """
    import torch._dynamo  # missing in PyTorch 1.12

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


@pytest.fixture(scope="session", autouse=True)
def device() -> torch.device:
    """The first CUDA device; without one every test in this folder is skipped."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return torch.device("cuda", 0)


@pytest.fixture(scope="session")
def on_gpu(compose_config: Compose) -> Compose:
    """Like ``compose_config``, for the GPU present and 128x128 pixels.

    The smallest feature map is then 2x2: a backend may refuse a sequence of one element.
    """
    return lambda *overrides: compose_config(
        "gpu=auto", "workload.height=128", "workload.width=128", *overrides
    )
