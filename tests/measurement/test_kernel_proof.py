"""The kernel proof: right labels are proven, wrong ones are not, eager and compiled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from sd_bench.capabilities.support_rules import has_cpp_compiler
from sd_bench.capabilities.torch_compat import HAS_COMPILE, HAS_SDPA
from sd_bench.config.schema import AttentionConfig
from sd_bench.measurement.kernel_proof import MATH_OPERATOR, Profile, judge, profile_call
from sd_bench.measurement.round import measure_round
from sd_bench.networks.attention import is_unet_attention
from sd_bench.pipeline import Pipeline
from tests.support.composition import QUICK_TO_COMPILE, Compose
from tests.support.runnable import CPU_BACKENDS

CPU = torch.device("cpu")


def eager_profile(tiny: Compose, attention: str) -> Profile:
    pipeline = Pipeline(tiny(f"attention={attention}"), CPU)
    x = torch.randn(2, 4, 8, 8)
    context = torch.randn(2, 77, pipeline.unet.config.context_dim)
    with pipeline.running():
        return profile_call(CPU, lambda: pipeline.predict(x, torch.tensor([1, 1]), context))


@pytest.mark.parametrize("label", CPU_BACKENDS)
@pytest.mark.parametrize("ran", CPU_BACKENDS)
def test_a_label_is_proven_by_its_own_kernels_and_by_no_others(
    tiny: Compose, label: str, ran: str
) -> None:
    proof = judge(
        eager_profile(tiny, ran), AttentionConfig(backend=label), 32, compiled=False,
        has_sdpa=HAS_SDPA,
    )  # fmt: skip
    same_kernels = {label, ran} == {"original", "math"} and not HAS_SDPA
    assert proof.proven == (label == ran or same_kernels), proof.detail
    assert proof.expected == label


@pytest.mark.skipif(not HAS_COMPILE or not has_cpp_compiler(), reason="needs torch.compile and g++")
@pytest.mark.slow
@pytest.mark.parametrize("label", CPU_BACKENDS[1:])
def test_a_compiled_label_is_proven_on_what_was_timed(
    tiny: Compose, label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler would turn ``math`` into a fused kernel; it is kept from doing so."""
    # Compiled code outlives the backend it was made for, in the process and on the disk.
    import torch._dynamo  # not there yet in PyTorch 2.0

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    config = tiny(f"attention={label}", "compile=default", "sampler.steps=1", *QUICK_TO_COMPILE)
    measured = measure_round(config, CPU, 0.0, "cold", lambda phase: None)
    assert measured.kernel_proof.proven, measured.kernel_proof.detail
    assert measured.kernel_proof.num_attention_modules == 8
    assert measured.times.first_call_s is not None
    assert measured.times.first_call_s > 3 * max(measured.times.iterations[0].steps_s)
    assert measured.times.compile_cache == "cold"
    assert measured.compilation is not None
    assert measured.compilation.graphs == 1
    assert measured.compilation.graph_breaks == 0
    assert not measured.compilation.recompilations


def sdpa(**counts: int) -> Profile:
    return Profile(Counter({f"aten::{name}": n for name, n in counts.items()}), Counter())


def graph(**counts: int) -> Profile:
    """A replayed CUDA graph: kernels and no operators."""
    return Profile(Counter(), Counter(counts))


@pytest.mark.parametrize(
    ("profile", "backend", "compiled", "proven"),
    [
        (sdpa(_scaled_dot_product_flash_attention=32), "flash", False, True),
        (sdpa(_scaled_dot_product_flash_attention=31), "flash", False, False),
        (sdpa(_scaled_dot_product_efficient_attention=32), "flash", False, False),
        (sdpa(_scaled_dot_product_efficient_attention=32), "mem_efficient", False, True),
        (sdpa(_scaled_dot_product_cudnn_attention=32), "cudnn", True, True),
        (sdpa(_scaled_dot_product_flash_attention=32), "auto", False, True),
        (sdpa(_native_multi_head_attention=16, bmm=64, _softmax=32), "math", False, False),
        (sdpa(_native_multi_head_attention=1, _scaled_dot_product_flash_attention=32), "flash",
         False, False),
        (sdpa(bmm=64), "math", True, True),
        (sdpa(bmm=64, _scaled_dot_product_flash_attention=1), "math", True, False),
        (sdpa(_scaled_dot_product_flash_attention=32), "original", True, False),
        (sdpa(), "flash", False, False),
        (sdpa(_flash_attention_forward=32), "xformers", False, True),
        (sdpa(_flash_attention_forward=32, _scaled_dot_product_flash_attention=32), "xformers",
         False, False),
        (graph(flash_fwd_kernel=32), "flash", True, True),
        (graph(flash_fwd_splitkv_kernel=32, flash_fwd_splitkv_combine_kernel=32), "flash", True,
         True),
        (graph(cudnn_generated_sdpa_sm90_flash_fprop=32), "cudnn", True, True),
        (graph(cudnn_generated_sdpa_sm90_flash_fprop=32), "flash", True, False),
        (graph(fmha_cutlassF_f16=32), "auto", True, True),
        (graph(triton_red_fused__softmax_3=32), "math", True, True),
        (graph(triton_red_fused__softmax_3=32, flash_fwd_kernel=1), "math", True, False),
        (graph(gemm=64), "math", True, False),
        (graph(gemm=64), "auto", True, False),
    ],
)  # fmt: skip
def test_verdicts(profile: Profile, backend: str, compiled: bool, proven: bool) -> None:
    proof = judge(profile, AttentionConfig(backend=backend), 32, compiled, has_sdpa=True)
    assert proof.proven is proven, proof.detail


def test_auto_with_flash_disabled_is_not_proven_by_flash() -> None:
    auto = AttentionConfig(backend="auto", disable_flash=True)
    assert not judge(sdpa(_scaled_dot_product_flash_attention=32), auto, 32, False, True).proven
    both = sdpa(_scaled_dot_product_efficient_attention=20, _scaled_dot_product_attention_math=12)
    assert judge(both, auto, 32, False, True).proven
    assert MATH_OPERATOR in both.operators


def test_the_pipeline_has_32_attention_modules(tiny: Compose) -> None:
    pipeline = Pipeline(tiny("attention=original"), CPU)
    assert sum(map(is_unet_attention, pipeline.unet.modules())) == 32
