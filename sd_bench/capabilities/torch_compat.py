"""Everything that differs between the versions of PyTorch, from 1.12 to the newest.

``torch_features.py``, which needs no torch, lists what each version can do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest import mock

import torch

from sd_bench.attention_backends import BACKENDS
from sd_bench.capabilities.torch_builds import (
    Build,
    name_build,
    why_architectures_cannot,
    why_build_cannot,
)
from sd_bench.capabilities.torch_features import can, version_tuple

TORCH_VERSION = version_tuple(torch.__version__)

HAS_SDPA = can(TORCH_VERSION, "scaled_dot_product_attention")
HAS_COMPILE = can(TORCH_VERSION, "torch.compile")
HAS_FLOP_COUNTER = can(TORCH_VERSION, "flop_counter")

#: Part of PyTorch's message if the driver does not know its CUDA version.
_OLD_DRIVER = "driver on your system is too old"

#: The switch of each attention backend in ``torch.backends.cuda``, which also applies on a CPU.
_SDPA_SWITCHES = {b.name: b.sdpa_switch for b in BACKENDS if b.sdpa_switch is not None}
_INITIALISERS = (
    "uniform_",
    "normal_",
    "trunc_normal_",
    "constant_",
    "ones_",
    "zeros_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
)


@contextmanager
def uninitialised() -> Iterator[None]:
    """Build modules without filling their parameters; then call ``to_empty`` and fill them."""
    if can(TORCH_VERSION, "torch.device as a context"):
        with torch.device("meta"):
            yield
        return
    with ExitStack() as patches:
        for name in _INITIALISERS:
            patches.enter_context(mock.patch.object(torch.nn.init, name, _leave_as_is))
        yield


def _leave_as_is(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor


@contextmanager
def sdpa_backends(allowed: tuple[str, ...], upcast: bool | None = None) -> Iterator[None]:
    """Let scaled_dot_product_attention choose from ``allowed`` only, and restore afterwards.

    ``upcast`` sets whether its math backend computes fp16 and bf16 inputs in fp32; ``None`` keeps
    the current setting. Before PyTorch 2.5 it never does. Before PyTorch 2 there is nothing to
    choose: nn.MultiheadAttention computes unfused, in the inputs' dtype.
    """
    if not HAS_SDPA:
        yield
        return
    with _math_upcast(upcast), _allowed_backends(allowed):
        yield


@contextmanager
def _math_upcast(upcast: bool | None) -> Iterator[None]:
    if upcast is None or not can(TORCH_VERSION, "upcast of math attention as a switch"):
        yield
        return
    before = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(not upcast)
    try:
        yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(before)


@contextmanager
def _allowed_backends(allowed: tuple[str, ...]) -> Iterator[None]:
    switches = {
        n: s for n, s in _SDPA_SWITCHES.items() if hasattr(torch.backends.cuda, f"enable_{s}")
    }
    before = {s: getattr(torch.backends.cuda, f"{s}_enabled")() for s in switches.values()}
    try:
        for name, switch in switches.items():
            getattr(torch.backends.cuda, f"enable_{switch}")(name in allowed)
        yield
    finally:
        for switch, enabled in before.items():
            getattr(torch.backends.cuda, f"enable_{switch}")(enabled)


def math_attention_reduces_in_half() -> bool:
    """Whether the math backend computes fp16 and bf16 inputs in their dtype.

    Before PyTorch 2.5 it did; since then it computes in fp32 by default.
    """
    if not can(TORCH_VERSION, "upcast of math attention as a switch"):
        return True
    return bool(torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed())


def this_build() -> Build:
    """What this PyTorch was made for."""
    return Build(
        version=TORCH_VERSION,
        cuda=None if torch.version.cuda is None else version_tuple(torch.version.cuda),
        hip=torch.version.hip,
        xpu=getattr(torch.version, "xpu", None),
    )


def why_no_kernels(device: torch.device) -> str | None:
    """Why this PyTorch cannot compute on an NVIDIA GPU at all, or None.

    It is not made for such GPUs, has no kernels for this one, or is newer than the driver.
    """
    build = this_build()
    if device.type != "cuda" or build.hip is not None:
        return None
    if build.cuda is None:
        return why_build_cannot(build.version, build, None)
    try:
        capability = torch.cuda.get_device_capability(device)
    except RuntimeError as error:
        if _OLD_DRIVER not in str(error):
            raise
        return f"{name_build(build)}: {' '.join(str(error).split())[:400]}"
    return why_architectures_cannot(build, torch.cuda.get_arch_list(), capability)


class Watcher(Protocol):
    """Wraps every run of a graph that the compiler has made."""

    def watch(self, run: Callable[..., Any]) -> Callable[..., Any]: ...


class CompiledCalls:
    """A network under torch.compile that counts which of its calls ran compiled code.

    A call in which none of the compiler's graphs ran was eager, whatever the cell's name is: the
    compiler was switched off, gave up on the network, or failed with its errors suppressed.
    ``graphs`` counts those that it compiled, ``failed_graphs`` those that it could not.
    """

    def __init__(self) -> None:
        self.calls = self.eager_calls = self.failed_graphs = self.graphs = self._graph_runs = 0
        self._run: Callable[..., torch.Tensor] | None = None

    @classmethod
    def together(cls, several: Sequence[CompiledCalls]) -> CompiledCalls:
        """The sum of the counts of ``several``; the result cannot be called."""
        total = cls()
        for each in several:
            total.calls += each.calls
            total.eager_calls += each.eager_calls
            total.failed_graphs += each.failed_graphs
        return total

    def of(self, run: Callable[..., torch.Tensor]) -> CompiledCalls:
        """Wrap ``run`` and return this object."""
        self._run = run
        return self

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        assert self._run is not None
        before = self._graph_runs
        output = self._run(*inputs)
        self.calls += 1
        self.eager_calls += self._graph_runs == before
        return output

    def counting(self, backend: Callable[..., Any]) -> Callable[..., Any]:
        """A ``backend`` of torch.compile that counts the runs of the graphs it compiles."""

        def compile_graph(*arguments: Any, **options: Any) -> Callable[..., Any]:
            try:
                run = backend(*arguments, **options)
            except Exception:
                self.failed_graphs += 1
                raise
            self.graphs += 1

            def counted(*inputs: Any) -> Any:
                self._graph_runs += 1
                return run(*inputs)

            return counted

        return compile_graph


def compiled(
    run: Callable[..., torch.Tensor],
    mode: str,
    keep_unfused: bool,
    watcher: Watcher | None = None,
    blocks: Sequence[torch.nn.Module] | None = None,
    freezing: bool = False,
) -> Callable[..., torch.Tensor]:
    """A network, ``run``, under torch.compile in ``mode``; unchanged if ``mode`` is "off".

    The result is a ``CompiledCalls``. With ``blocks``, modules inside the network, only those are
    compiled and the rest stays eager. With ``freezing`` the compiler treats weights as constants,
    from then on in this process.

    With ``keep_unfused`` the compiler no longer rewrites matmul-softmax-matmul into a fused
    attention kernel in this process, as PyTorch from 2.1 on does: that would run another kernel
    than the one that the cell names. PyTorch has no public switch for it.
    """
    if mode == "off":
        return run
    if keep_unfused and can(TORCH_VERSION, "fusing of attention by the compiler"):
        from torch._inductor.fx_passes import fuse_attention

        mock.patch.object(fuse_attention, "_sfdp_init", return_value=None).start()
    if freezing:
        from torch._inductor import config  # "import torch._inductor.config" would bind torch

        config.freezing = True
    calls = CompiledCalls()
    options: dict[str, Any] = {"dynamic": False}
    if watcher is not None:
        options["backend"] = calls.counting(_watched_inductor(mode, watcher))
    else:
        inductor = torch._TorchCompileInductorWrapper  # what torch.compile calls for each graph
        counting = calls.counting(inductor.__call__)
        mock.patch.object(inductor, "__call__", counting).start()
        options["mode"] = mode.replace("_", "-")
    if blocks is None:
        return calls.of(torch.compile(run, **options))
    for block in blocks:
        block.compile(**options)
    return calls.of(run)


def _watched_inductor(mode: str, watcher: Watcher) -> Callable[..., Any]:
    """The compiler that ``mode`` means, with ``watcher`` around the graphs that it makes."""
    # What torch.compile itself calls for each graph; it knows the modes of its version.
    inductor = torch._TorchCompileInductorWrapper(mode.replace("_", "-"), None, False)

    def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        return watcher.watch(inductor(graph, inputs))

    return backend


#: Functions compiled besides the networks, once per shape; not part of the networks' counts.
COMPILED_APART: list[CompiledCalls] = []


def compile_counts() -> dict[str, int | None]:
    """What torch.compile has done in this process, without the functions in ``COMPILED_APART``.

    The counts are of graphs, breaks between them, compilations of a frame beyond its first (None if
    this PyTorch does not count them), and frames that it gave up on.
    """
    from torch._dynamo import convert_frame
    from torch._dynamo.utils import counters

    frames: dict[Any, int] | None = None
    if can(TORCH_VERSION, "count of recompilations"):
        frames = convert_frame.FRAME_COMPILE_COUNTER
    apart = sum(calls.graphs for calls in COMPILED_APART)
    again = sum(calls.graphs - 1 for calls in COMPILED_APART if calls.graphs)
    return {  # none of them is public
        "graphs": counters["stats"]["unique_graphs"] - apart,
        "graph_breaks": sum(counters["graph_break"].values()),
        "recompilations": None if frames is None else sum(frames.values()) - len(frames) - again,
        "given_up": counters["frames"]["total"] - counters["frames"]["ok"],
    }
