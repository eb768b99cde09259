"""What the compiler reports to have done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import HAS_COMPILE, TORCH_VERSION, CompiledCalls
from sd_bench.capabilities.torch_features import can
from sd_bench.measurement.compilation import read_compilation, why_not_compiled

COUNTS_RECOMPILATIONS = can(TORCH_VERSION, "count of recompilations")

pytestmark = pytest.mark.skipif(not HAS_COMPILE, reason="needs torch.compile")


@pytest.fixture(autouse=True)
def _a_fresh_compiler() -> Iterator[None]:
    """As in a new worker: nothing is compiled or counted yet."""
    import torch._dynamo  # missing in PyTorch 2.0

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def assert_counted(graphs: int, graph_breaks: int, recompilations: int) -> None:
    """What this PyTorch does not count must be unknown, not zero."""
    counted = read_compilation(CompiledCalls())
    assert (counted.graphs, counted.graph_breaks) == (graphs, graph_breaks)
    assert counted.recompilations == (recompilations if COUNTS_RECOMPILATIONS else None)
    assert set(counted.notes) == (set() if COUNTS_RECOMPILATIONS else {"recompilations"})


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


def test_another_shape_is_a_recompilation() -> None:
    @torch.compile(backend="eager", dynamic=False)
    def whole(x: Tensor) -> Tensor:
        return x.sin() + 1

    for size in (4, 5, 4):
        whole(torch.ones(size))
    assert_counted(2, 0, 1)


def compiled_by(backend: Callable[..., Any], function: Callable[[Tensor], Tensor]) -> CompiledCalls:
    calls = CompiledCalls()
    return calls.of(torch.compile(function, backend=calls.counting(backend), dynamic=False))


def as_it_is(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
    return graph.forward


def fails(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
    raise RuntimeError("no compiler here")


def whole(x: Tensor) -> Tensor:
    return x.sin() + 1


def in_parts(x: Tensor) -> Tensor:
    x = x.sin()
    torch._dynamo.graph_break()
    return x + 1


@pytest.mark.parametrize("function", [whole, in_parts])
def test_calls_that_ran_in_graphs_are_compiled(function: Callable[[Tensor], Tensor]) -> None:
    calls = compiled_by(as_it_is, function)
    for size in (4, 5, 4):
        calls(torch.ones(size))
    assert (calls.calls, calls.eager_calls) == (3, 0)
    assert why_not_compiled(read_compilation(calls)) is None


def test_a_compiler_that_is_switched_off_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")
    calls = compiled_by(as_it_is, whole)
    calls(torch.ones(4))
    calls(torch.ones(4))
    reason = why_not_compiled(read_compilation(calls))
    assert reason == "2 call(s) ran outside every graph of torch.compile"


@pytest.mark.parametrize("function", [whole, in_parts])
def test_a_compiler_that_fails_without_a_word_is_found_out(
    function: Callable[[Tensor], Tensor],
) -> None:
    with torch._dynamo.config.patch(suppress_errors=True):
        calls = compiled_by(fails, function)
        calls(torch.ones(4))
    reason = why_not_compiled(read_compilation(calls)) or ""
    assert "torch.compile failed on" in reason
    assert "1 call(s) ran outside every graph" in reason


def test_calls_beyond_the_limit_of_recompilations_are_eager() -> None:
    limits = ("recompile_limit", "cache_size_limit")  # the second is its name before PyTorch 2.6
    name = next(limit for limit in limits if hasattr(torch._dynamo.config, limit))
    with torch._dynamo.config.patch({name: 2}):
        calls = compiled_by(as_it_is, whole)
        for size in (4, 5, 6):  # what PyTorch 2.0 gives up it runs no graph of any more
            calls(torch.ones(size))
    assert (calls.calls, calls.eager_calls) == (3, 1)
    reason = why_not_compiled(read_compilation(calls)) or ""
    assert "gave up 1 part(s) of the UNet" in reason
    assert "1 call(s) ran outside every graph" in reason
