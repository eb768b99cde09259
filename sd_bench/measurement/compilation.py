"""What torch.compile did in a round: graphs, breaks between them, compilations anew."""

from __future__ import annotations

from sd_bench.capabilities.torch_compat import TORCH_VERSION, compile_counts
from sd_bench.records import Compilation


def read_compilation() -> Compilation:
    """The counts so far; the process is fresh, so they are the round's own."""
    counts = compile_counts()
    version = ".".join(map(str, TORCH_VERSION))
    return Compilation(
        graphs=counts["graphs"],
        graph_breaks=counts["graph_breaks"],
        recompilations=counts["recompilations"],
        notes={
            name: f"PyTorch {version} does not count them"
            for name, count in counts.items()
            if count is None
        },
    )
