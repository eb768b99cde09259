"""PyTorch's flex_attention, compiled for each shape, as an operator that the profiler sees.

torch.compile generates its kernel even in cells that are not compiled: without the compiler
flex_attention is unfused, which is what ``attention=original`` is for. Because it is wrapped in an
operator, the kernel proof finds it by name, and compiling the whole network leaves it unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import COMPILED_APART, CompiledCalls

#: A UNet has two shapes per width, a probe one per head width. Beyond this limit the compiler
#: raises an error, so that nothing is computed unfused under this name.
_MOST_SHAPES = 64
#: Keeps the libraries alive: an operator exists only as long as the library that defined it.
_LIBRARIES: list[torch.library.Library] = []


@cache
def flex_core() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A core for softmax(QK^T / sqrt(d)) V, with q, k, v as [B, H, N or M, C/H].

    Raises ImportError before PyTorch 2.5, which introduced flex_attention. The returned core raises
    RuntimeError if the compiler is switched off or fails.
    """
    from torch import _inductor
    from torch.nn.attention.flex_attention import flex_attention

    calls = CompiledCalls()
    COMPILED_APART.append(calls)

    def generate(graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        return _inductor.compile(graph, inputs)

    backend = calls.counting(generate)
    calls.of(torch.compile(flex_attention, backend=backend, dynamic=False, fullgraph=True))

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with torch._dynamo.config.patch(recompile_limit=_MOST_SHAPES):
            output = calls(q, k, v)
        if calls.eager_calls:
            raise RuntimeError("torch.compile is switched off: flex_attention would be unfused")
        return output

    library = torch.library.Library("sd_bench", "FRAGMENT")
    library.define("flex_attention(Tensor q, Tensor k, Tensor v) -> Tensor")
    library.impl("flex_attention", attend, "CompositeExplicitAutograd")
    library.impl("flex_attention", lambda q, k, v: torch.empty_like(q), "Meta")
    _LIBRARIES.append(library)
    operator: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.ops.sd_bench.flex_attention.default
    return operator
