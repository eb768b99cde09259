"""Proof of the attention kernel that ran: one UNet call under the profiler, read and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from sd_bench.config.schema import AttentionConfig
from sd_bench.records import KernelProof

#: The operators that compute attention as one piece, by the backend that they belong to.
FUSED_OPERATORS = {
    "aten::_scaled_dot_product_flash_attention": "flash",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "flash",
    "aten::_scaled_dot_product_efficient_attention": "mem_efficient",
    "aten::_scaled_dot_product_cudnn_attention": "cudnn",
    "aten::_native_multi_head_attention": "native_multi_head_attention",
}
#: Marks of the kernels that they launch on a GPU. A replayed CUDA graph has kernels only.
FUSED_KERNEL_MARKS = {
    "sdpa": "cudnn",
    "flash_fwd": "flash",
    "fmha_cutlassF": "mem_efficient",
}
#: A second kernel of one flash attention, where it splits the keys.
_COMBINE_MARK = "combine"
MATH_OPERATOR = "aten::_scaled_dot_product_attention_math"
#: Below the operators, the kernels that each of xFormers' own operators launches.
_XFORMERS_MARKS = (
    "xformers",
    "aten::_efficient_attention_forward",
    "aten::_flash_attention_forward",
)
_MATMULS = ("aten::bmm", "aten::baddbmm")
_SOFTMAXES = ("aten::_softmax", "aten::_safe_softmax")
_ATTENTION_WORDS = ("attention", "flash", "fmha", "softmax", "bmm", "sdp", "mha")


@dataclass(frozen=True, slots=True)
class Profile:
    """How often each operator and each device kernel ran in one call."""

    operators: Counter[str]
    kernels: Counter[str]

    def count(self, names: tuple[str, ...]) -> int:
        return sum(self.operators[name] for name in names)

    @property
    def fused(self) -> Counter[str]:
        """Fused attentions by backend: operators, or kernels where no operator was seen."""
        found: Counter[str] = Counter()
        for name, backend in FUSED_OPERATORS.items():
            found[backend] += self.operators[name]
        if found.total():
            return +found
        for name, count in self.kernels.items():
            marks = (b for mark, b in FUSED_KERNEL_MARKS.items() if mark in name)
            if _COMBINE_MARK not in name:
                found.update(dict.fromkeys(list(marks)[:1], count))
        return +found

    @property
    def softmax_kernels(self) -> int:
        return sum(count for name, count in self.kernels.items() if "softmax" in name)


def profile_call(device: torch.device, call: Callable[[], object]) -> Profile:
    """Run ``call`` once under the profiler."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    operators: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    for event in profiler.events():
        on_device = event.device_type.name != "CPU"
        (kernels if on_device else operators)[event.name] += 1
    return Profile(operators, kernels)


def judge(
    ran: Profile,
    attention: AttentionConfig,
    num_modules: int,
    compiled: bool,
    has_sdpa: bool,
    num_degenerate: int = 0,
) -> KernelProof:
    """Compare what ran with what the cell's name says.

    ``num_modules`` attention modules have to have run the named kernel, each once. Of them
    ``num_degenerate`` have a single query: the compiler makes their products element-wise.
    """
    num_products = 2 * (num_modules - (num_degenerate if compiled else 0))
    proven, detail = _verdict(ran, attention, num_modules, num_products, compiled, has_sdpa)
    return KernelProof(
        expected=attention.backend,
        proven=proven,
        detail=detail,
        num_attention_modules=num_modules,
        operators=_attention_only(ran.operators),
        kernels=_attention_only(ran.kernels),
    )


def _verdict(
    ran: Profile,
    attention: AttentionConfig,
    num_modules: int,
    num_products: int,
    compiled: bool,
    has_sdpa: bool,
) -> tuple[bool, str]:
    backend, fused = attention.backend, ran.fused
    if fused["native_multi_head_attention"]:
        return False, "nn.MultiheadAttention's own fused path ran, whatever backend is named"
    if backend == "xformers":
        count = max(
            (n for op, n in ran.operators.items() if op.startswith(_XFORMERS_MARKS)), default=0
        )
        pytorchs_own = sum(ran.operators[name] for name in (*FUSED_OPERATORS, MATH_OPERATOR))
        proven = count == num_modules and not pytorchs_own
        return proven, f"{count} xFormers operators for {num_modules} modules"
    if backend == "original":
        return _unfused(ran, num_modules, num_products, compiled, forbid_math_operator=True)
    if (backend == "math" and compiled) or not has_sdpa:  # then nothing is to be chosen from
        return _unfused(ran, num_modules, num_products, compiled, forbid_math_operator=False)
    math = ran.operators[MATH_OPERATOR]
    counts = fused + Counter(math=math)
    allowed = set(attention.allowed_sdpa_backends)
    missing = num_modules - sum(fused.values())
    if compiled and not math and ran.count(_MATMULS) >= 2 * missing:
        counts["math"] = missing  # compiled math leaves its matrix products behind, no operator
        counts = +counts
    described = ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "no attention"
    proven = sum(counts.values()) == num_modules and set(+counts) <= allowed
    return proven, f"{described} for {num_modules} modules"


def _unfused(
    ran: Profile, num_modules: int, num_products: int, compiled: bool, forbid_math_operator: bool
) -> tuple[bool, str]:
    """Two matrix products and a softmax a module, and nothing fused.

    The compiler makes softmax a part of generated kernels, so there the products stand alone; in
    a CUDA graph they are kernels of no telling name, and the generated softmax kernels speak.
    """
    products, softmaxes = ran.count(_MATMULS), ran.count(_SOFTMAXES)
    if compiled and not products:
        products, softmaxes = 2 * ran.softmax_kernels, ran.softmax_kernels
    nothing_fused = not ran.fused and not (forbid_math_operator and ran.operators[MATH_OPERATOR])
    enough = products >= num_products and (compiled or softmaxes >= num_modules)
    fused = ", ".join(f"{n} {name}" for name, n in sorted(ran.fused.items())) or "nothing"
    detail = (
        f"{products} matrix products and {softmaxes} softmaxes for {num_modules} modules, "
        f"{fused} fused"
    )
    return nothing_fused and enough, detail


def _attention_only(counts: Counter[str]) -> dict[str, int]:
    chosen = {n: c for n, c in counts.items() if any(w in n.lower() for w in _ATTENTION_WORDS)}
    return dict(sorted(chosen.items()))
