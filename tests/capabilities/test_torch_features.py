"""The table of what PyTorch can do is true for the PyTorch that runs this test."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from inspect import signature

import pytest
import torch
import torch.nn.functional as F

from sd_bench.capabilities.torch_compat import TORCH_VERSION
from sd_bench.capabilities.torch_features import SINCE, can, version_tuple


def runs(call: Callable[[], object]) -> bool:
    try:
        call()
    except (RuntimeError, NotImplementedError, TypeError, AttributeError):
        return False
    return True


def is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:  # the package that would contain it is missing too
        return False


def as_context() -> None:
    with torch.device("meta"):  # type: ignore[attr-defined,unused-ignore]
        assert torch.empty(1).is_meta


def cuda_has(name: str) -> Callable[[], bool]:
    return lambda: hasattr(torch.backends.cuda, name)


def has_flop_counter() -> bool:
    try:
        from torch.utils import flop_counter
    except ImportError:
        return False
    return hasattr(flop_counter, "FlopCounterMode")


def has_autocast_of_sdpa_on_a_cpu() -> bool:
    q = torch.zeros(1, 1, 2, 8, dtype=torch.bfloat16)
    mask = torch.zeros(2, 2)  # in fp32, like a buffer of the module under autocast
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return runs(lambda: F.scaled_dot_product_attention(q, q, q, attn_mask=mask))


def counts_recompilations() -> bool:
    try:
        from torch._dynamo import convert_frame
    except ImportError:
        return False
    return hasattr(convert_frame, "FRAME_COMPILE_COUNTER")


PROBES: dict[str, Callable[[], bool]] = {
    "inference_mode": lambda: hasattr(torch, "inference_mode"),
    "weights_only": lambda: "weights_only" in signature(torch.load).parameters,
    "scaled_dot_product_attention": lambda: hasattr(F, "scaled_dot_product_attention"),
    "switches of math, flash and memory-efficient attention": cuda_has("enable_mem_efficient_sdp"),
    "torch.compile": lambda: hasattr(torch, "compile"),
    "torch.device as a context": lambda: runs(as_context),
    "flop_counter": has_flop_counter,
    "autocast of scaled_dot_product_attention on a CPU": has_autocast_of_sdpa_on_a_cpu,
    "count of recompilations": counts_recompilations,
    "fusing of attention by the compiler": lambda: is_module(
        "torch._inductor.fx_passes.fuse_attention"
    ),
    "flex attention": lambda: is_module("torch.nn.attention.flex_attention"),
    "upcast of math attention as a switch": cuda_has("fp16_bf16_reduction_math_sdp_allowed"),
}
#: Not probed: what only a GPU or an hour of fp16 on a CPU could show; PyTorch 2.0 silently runs
#: another kernel on a CPU if only flash is allowed. Older PyTorch has some of oneDNN's operators,
#: and flex_attention without what a CPU needs.
NOT_PROBED = {
    "cudnn attention", "fp16 on a CPU", "flash attention by FlashAttention-2",
    "flash attention on a CPU", "packed oneDNN weights",
    "flex attention on a CPU",
}  # fmt: skip


def test_every_capability_is_probed_or_listed_as_not_probed() -> None:
    assert set(PROBES) | NOT_PROBED == set(SINCE)


@pytest.mark.parametrize("capability", PROBES)
def test_the_table_is_true_here(capability: str) -> None:
    assert PROBES[capability]() == can(TORCH_VERSION, capability)


def test_versions_compare_as_numbers() -> None:
    assert version_tuple("2.15.0+cu130") == (2, 15)
    assert can((2, 15), "cudnn attention")
    assert not can((2, 4), "cudnn attention")
    assert not can((1, 12), "weights_only")
