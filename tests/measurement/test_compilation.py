"""What the compiler says that it did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import HAS_COMPILE, TORCH_VERSION
from sd_bench.capabilities.torch_features import can
from sd_bench.measurement.compilation import read_compilation

COUNTS_ANEW = can(TORCH_VERSION, "count of compilations anew")

pytestmark = pytest.mark.skipif(not HAS_COMPILE, reason="needs torch.compile")


@pytest.fixture(autouse=True)
def _a_fresh_compiler() -> Iterator[None]:
    """As in a worker: nothing is compiled or counted yet."""
    import torch._dynamo  # not there yet in PyTorch 2.0

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def assert_counted(graphs: int, graph_breaks: int, recompilations: int) -> None:
    """What this PyTorch does not count is said to be unknown, not zero."""
    counted = read_compilation()
    assert (counted.graphs, counted.graph_breaks) == (graphs, graph_breaks)
    assert counted.recompilations == (recompilations if COUNTS_ANEW else None)
    assert set(counted.notes) == (set() if COUNTS_ANEW else {"recompilations"})


def test_one_whole_graph_is_one_graph_and_no_break() -> None:
    @torch.compile(backend="eager", dynamic=False)
    def whole(x: Tensor) -> Tensor:
        return x.sin() + 1

    for _ in range(3):
        whole(torch.ones(4))
    assert_counted(1, 0, 0)


def test_a_break_makes_two_graphs() -> None:
    @torch.compile(backend="eager", dynamic=False)
    def broken(x: Tensor) -> Tensor:
        x = x.sin()
        torch._dynamo.graph_break()
        return x + 1

    broken(torch.ones(4))
    assert_counted(2, 1, 0)


def test_another_shape_is_a_compilation_anew() -> None:
    @torch.compile(backend="eager", dynamic=False)
    def whole(x: Tensor) -> Tensor:
        return x.sin() + 1

    for size in (4, 5, 4):
        whole(torch.ones(size))
    assert_counted(2, 0, 1)
