"""What torch.compile did in a round, and whether it did anything."""

from __future__ import annotations

from collections.abc import Iterator

from sd_bench.capabilities.torch_compat import TORCH_VERSION, CompiledCalls, compile_counts
from sd_bench.records import Compilation


def read_compilation(compiled: CompiledCalls) -> Compilation:
    """The compiler's counts so far; the process is fresh, so they belong to this round."""
    counts = compile_counts()
    version = ".".join(map(str, TORCH_VERSION))
    return Compilation(
        graphs=counts["graphs"],
        graph_breaks=counts["graph_breaks"],
        recompilations=counts["recompilations"],
        eager_calls=compiled.eager_calls,
        given_up=counts["given_up"],
        failed_graphs=compiled.failed_graphs,
        notes={
            name: f"PyTorch {version} does not count them"
            for name, count in counts.items()
            if count is None
        },
    )


def why_not_compiled(done: Compilation) -> str | None:
    """Why the network did not run compiled although the cell's name says so; None if it did.

    A part that the compiler gave up is a fault only where there are no graph breaks; between two
    breaks it is left to a warning.
    """
    return "; ".join(_faults(done)) or None


def _faults(done: Compilation) -> Iterator[str]:
    if done.failed_graphs:
        yield f"torch.compile failed on {done.failed_graphs} graph(s) and left them eager"
    elif done.given_up and not done.graph_breaks:
        yield f"torch.compile gave up {done.given_up} part(s) of the UNet and left them eager"
    if done.eager_calls:
        yield f"{done.eager_calls} call(s) ran outside every graph of torch.compile"
    elif done.graphs == 0:
        yield "torch.compile made no graph"
