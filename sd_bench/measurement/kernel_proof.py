"""Prove which attention kernel ran, by profiling one UNet call.

Operators are counted rather than kernels: each operator launches its kernel, and the device's
trace sometimes loses kernels. A replayed CUDA graph has no operators, so a cell that uses graphs
is proven by the run from which they are recorded: the first run of the compiled code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from sd_bench.attention_backends import BACKENDS, BACKENDS_BY_NAME, AttentionBackend
from sd_bench.config.schema import AttentionConfig
from sd_bench.records import KernelProof

#: The path of nn.MultiheadAttention that ignores PyTorch's backend switches; if a cell ran it,
#: nothing is proven.
_NATIVE = "aten::_native_multi_head_attention"
#: Operators that compute a whole attention, and the backend that each belongs to.
FUSED_OPERATORS = {
    _NATIVE: "native_multi_head_attention",
    **{
        operator: backend.name
        for backend in BACKENDS
        if not backend.may_be_unfused
        for operator in backend.operators
    },
}
(MATH_OPERATOR,) = BACKENDS_BY_NAME["math"].operators
_MATMULS = ("aten::bmm", "aten::baddbmm")
#: The words in the name of a batched product that the compiler generated itself.
_GENERATED_MATMUL = ("triton_tem", "bmm")
_SOFTMAXES = ("aten::_softmax", "aten::_safe_softmax")
_ATTENTION_WORDS = ("attention", "flash", "fmha", "softmax", "bmm", "sdp", "mha")


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How often each operator and each device kernel ran in one call."""

    operators: Counter[str]
    kernels: Counter[str]

    def count(self, names: tuple[str, ...]) -> int:
        """How many operators with these names ran."""
        return sum(self.operators[name] for name in names)

    @property
    def fused(self) -> Counter[str]:
        """How many of PyTorch's own fused attentions ran, by backend."""
        found: Counter[str] = Counter()
        for name, backend in FUSED_OPERATORS.items():
            found[backend] += self.operators[name]
        return +found

    def by_library(self, backend: AttentionBackend) -> Counter[str]:
        """How many attentions of a library ran, by kernel, without PyTorch's own calls to it."""
        fused, found = self.fused, Counter[str]()
        for kernel in backend.kernels:
            below = self.operators[str(kernel.operator_below)] - fused[str(kernel.backend)]
            found[kernel.name] = max(self.operators[kernel.operator], below)
        return +found

    @property
    def libraries(self) -> dict[str, Counter[str]]:
        """The attentions of each library that ran any, by the library's backend."""
        found = {backend.name: self.by_library(backend) for backend in BACKENDS}
        return {name: counts for name, counts in found.items() if counts}

    @property
    def products(self) -> int:
        """How many batched matrix products ran: operators, and kernels that the compiler made."""
        generated = (
            count
            for name, count in self.operators.items()
            if all(word in name for word in _GENERATED_MATMUL)
        )
        return self.count(_MATMULS) + sum(generated)


def profile_call(device: torch.device, call: Callable[[], object]) -> CallCounts:
    """Run ``call`` once under the profiler and count its operators and kernels."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return _read(profiler)


def _read(profiler: profile) -> CallCounts:
    operators: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    for event in profiler.events():
        if event.device_type.name != "CPU":
            kernels[event.name] += 1
        elif not _is_redispatched(event):
            operators[event.name] += 1
    return CallCounts(operators, kernels)


def _is_redispatched(event: Any) -> bool:
    """Whether an operator appears inside itself: one call, passed on by a dispatch mode."""
    parent = event.cpu_parent
    while parent is not None and parent.name != event.name:
        parent = parent.cpu_parent
    return parent is not None


class FirstRun:
    """Profiles the first run of each graph that the compiler makes.

    Only the host's operators are traced, because tracing the device disturbs graphs that are
    captured later.
    """

    def __init__(self) -> None:
        self._profiles: list[CallCounts] = []

    def watch(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """``run``, with its first call profiled."""
        is_first = True

        def watched(*arguments: Any) -> Any:
            nonlocal is_first
            if not is_first:
                return run(*arguments)
            is_first = False
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                output = run(*arguments)
            self._profiles.append(_read(profiler))
            return output

        return watched

    @property
    def profile(self) -> CallCounts:
        """The operators of the first runs of all graphs together."""
        operators: Counter[str] = Counter()
        for found in self._profiles:
            operators += found.operators
        return CallCounts(operators, Counter())


def judge(
    ran: CallCounts,
    attention: AttentionConfig,
    num_modules: int,
    compiled: bool,
    has_sdpa: bool,
    num_degenerate: int = 0,
) -> KernelProof:
    """Compare what ran with the attention backend that the cell names.

    Each of ``num_modules`` attention modules must have run the named kernel exactly once.
    ``num_degenerate`` of them have a single query: the compiler may turn their products into
    element-wise work.
    """
    least = 2 * (num_modules - (num_degenerate if compiled else 0))
    proven, detail = _prove(ran, attention, num_modules, least, compiled, has_sdpa)
    return KernelProof(
        expected=attention.backend,
        proven=proven,
        detail=detail,
        num_attention_modules=num_modules,
        operators=_attention_only(ran.operators),
        kernels=_attention_only(ran.kernels),
    )


def unprovable(attention: AttentionConfig, why: str) -> KernelProof:
    """The proof of a round whose kernels cannot be seen: unproven, with the reason."""
    return KernelProof(
        expected=attention.backend,
        proven=False,
        detail=why,
        num_attention_modules=0,
        operators={},
        kernels={},
        unprovable=why,
    )


def _prove(
    ran: CallCounts,
    attention: AttentionConfig,
    num_modules: int,
    least: int,
    compiled: bool,
    has_sdpa: bool,
) -> tuple[bool, str]:
    backend, fused = BACKENDS_BY_NAME[attention.backend], ran.fused
    if fused["native_multi_head_attention"]:
        return False, "nn.MultiheadAttention's own fused path ran instead of the named backend"
    if backend.kernels:
        return _by_library(ran, backend, num_modules)
    if backend.module == "CrossAttention":
        return _unfused(ran, num_modules, least, compiled, forbid_math_operator=True)
    if (backend.is_unfused and compiled) or not has_sdpa:  # PyTorch had no backend to choose
        return _unfused(ran, num_modules, least, compiled, forbid_math_operator=False)
    counts = fused + Counter(math=ran.operators[MATH_OPERATOR])
    missing = num_modules - sum(counts.values())
    if compiled and not counts["math"] and _are_products_of(missing, ran, num_modules, least):
        counts["math"] = missing  # compiled math leaves only its products, no operator
    allowed, others = set(attention.allowed_sdpa_backends), _list_libraries(ran)
    proven = sum(counts.values()) == num_modules and set(counts) <= allowed and not others
    besides = f", besides {others}" if others else ""
    return proven, f"{_listed(counts) or 'no attention'} for {num_modules} modules{besides}"


def _are_products_of(missing: int, ran: CallCounts, num_modules: int, least: int) -> bool:
    """Whether as many products ran as ``missing`` modules would need."""
    most = 2 * missing
    return missing > 0 and most - (2 * num_modules - least) <= ran.products <= most


def _by_library(ran: CallCounts, backend: AttentionBackend, num_modules: int) -> tuple[bool, str]:
    """Judge a library's backend, which may choose a different kernel for each module's shapes."""
    own = ran.by_library(backend)
    others = [f"{_listed(c)} of {n}" for n, c in ran.libraries.items() if n != backend.name]
    if pytorchs_own := +(ran.fused + Counter(math=ran.operators[MATH_OPERATOR])):
        others.append(f"{_listed(pytorchs_own)} of PyTorch's own")
    proven = sum(own.values()) == num_modules and not others
    wanted = ", ".join(kernel.operator for kernel in backend.kernels)
    counts = _listed(own) or f"no kernel of {backend.name} ({wanted})"
    besides = f", besides {', '.join(others)}" if others else ""
    return proven, f"{counts} for {num_modules} modules{besides}"


def _list_libraries(ran: CallCounts) -> str:
    return ", ".join(f"{_listed(counts)} of {name}" for name, counts in ran.libraries.items())


def _unfused(
    ran: CallCounts,
    num_modules: int,
    least: int,
    compiled: bool,
    forbid_math_operator: bool,
) -> tuple[bool, str]:
    """Judge an unfused attention: two products and a softmax per module, and nothing fused.

    At least ``least`` products must have run. The compiler merges softmax into its own kernels, so
    in compiled code only the products are counted.
    """
    softmaxes = ran.count(_SOFTMAXES)
    fused = ", ".join(filter(None, (_listed(ran.fused), _list_libraries(ran))))
    nothing_fused = not fused and not (forbid_math_operator and ran.operators[MATH_OPERATOR])
    as_many = least <= ran.products <= 2 * num_modules and (compiled or softmaxes == num_modules)
    detail = (
        f"{ran.products} matrix products and {softmaxes} softmaxes for {num_modules} modules, "
        f"{fused or 'nothing'} fused"
    )
    return nothing_fused and as_many, detail


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _attention_only(counts: Counter[str]) -> dict[str, int]:
    chosen = {n: c for n, c in counts.items() if any(w in n.lower() for w in _ATTENTION_WORDS)}
    return dict(sorted(chosen.items()))
