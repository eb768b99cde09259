"""The kernel proof: right labels are proven, wrong ones are not, eager and compiled."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch

from sd_bench.capabilities.support_rules import has_cpp_compiler
from sd_bench.capabilities.torch_compat import HAS_COMPILE, HAS_SDPA
from sd_bench.config.schema import ATTENTION_BACKENDS, AttentionConfig
from sd_bench.implementations.ours import Ours
from sd_bench.measurement.compilation import why_not_compiled
from sd_bench.measurement.kernel_proof import MATH_OPERATOR, CallCounts, judge, profile_call
from sd_bench.measurement.round import measure_round
from sd_bench.networks.attention import is_unet_attention
from tests.support.composition import QUICK_TO_COMPILE, Compose
from tests.support.runnable import CPU_BACKENDS, needs_cpu_flash

CPU = torch.device("cpu")


@cache
def eager_profile(tiny: Compose, attention: str) -> CallCounts:
    pipeline = Ours(tiny(f"attention={attention}"), CPU)
    x = torch.randn(2, 4, 8, 8)
    context = torch.randn(2, 77, pipeline.unet.config.context_dim)
    with pipeline.running():
        return profile_call(CPU, lambda: pipeline.predict(x, torch.tensor([1, 1]), context))


@pytest.mark.slow
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


@pytest.fixture
def fresh_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code outlives the backend it was made for, in the process and on the disk."""
    import torch._dynamo  # not there yet in PyTorch 2.0

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))


needs_compiler = pytest.mark.skipif(
    not HAS_COMPILE or not has_cpp_compiler(), reason="needs torch.compile and g++"
)


@needs_compiler
@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("label", [b for b in CPU_BACKENDS if b != "original"])
def test_a_compiled_label_is_proven_on_what_was_timed(tiny: Compose, label: str) -> None:
    """The compiler would turn ``math`` into a fused kernel, but is prevented from doing so."""
    config = tiny(f"attention={label}", "compile=default", "sampler.steps=1", *QUICK_TO_COMPILE)
    measured = measure_round(config, CPU, 0.0, "cold", lambda phase: None)
    assert measured.kernel_proof.proven, measured.kernel_proof.detail
    assert measured.kernel_proof.num_attention_modules == 8
    assert measured.times.first_call_s is not None
    assert measured.times.first_call_s > 3 * max(measured.times.iterations[0].steps_s)
    assert measured.times.compile_cache == "cold"
    assert measured.compilation is not None
    assert why_not_compiled(measured.compilation) is None
    assert measured.compilation.graphs == 1
    assert measured.compilation.graph_breaks == 0
    assert not measured.compilation.recompilations


@needs_compiler
@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize(
    ("label", "detail"),
    [
        pytest.param("flash", "8 flash for 8 modules", marks=needs_cpu_flash),
        ("math", "16 matrix products and 0 softmaxes for 8 modules, nothing fused"),
    ],
)
def test_a_label_under_cuda_graphs_is_proven_by_the_run_they_are_recorded_from(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch, label: str, detail: str
) -> None:
    """There are no graphs here, but the first run of compiled code is profiled all the same."""
    later: list[object] = []
    monkeypatch.setattr("sd_bench.measurement.round.profile_call", lambda *_: later.append(_))
    config = tiny(
        f"attention={label}", "compile=reduce_overhead", "sampler.steps=1", *QUICK_TO_COMPILE
    )
    measured = measure_round(config, CPU, 0.0, "cold", lambda phase: None)
    assert measured.kernel_proof.proven, measured.kernel_proof.detail
    assert measured.kernel_proof.detail == detail
    assert len(measured.times.warmup_unet_calls_s) == 3  # compiled, recorded, replayed
    assert measured.compilation is not None
    assert measured.compilation.graphs == 1
    assert measured.compilation.eager_calls == 0
    assert not later, "a call is profiled that would replay a graph"


def counted(**counts: int) -> CallCounts:
    """A profile with these counts; prefixes such as "aten::" and "xformers_flash::" are omitted."""
    return CallCounts(Counter({_full(name): n for name, n in counts.items()}), Counter())


def _full(name: str) -> str:
    own = ("xformers_flash3", "xformers_flash", "xformers")
    library = next((word for word in own if name.startswith(f"{word}__")), None)
    return f"aten::{name}" if library is None else f"{library}::{name[len(library) + 2 :]}"


SDPA_FLASH = "_scaled_dot_product_flash_attention"


@pytest.mark.parametrize(
    ("profile", "backend", "compiled", "proven"),
    [
        (counted(_scaled_dot_product_flash_attention=32), "flash", False, True),
        (counted(_scaled_dot_product_flash_attention=31), "flash", False, False),
        (counted(_scaled_dot_product_flash_attention=33), "flash", False, False),
        (counted(_scaled_dot_product_flash_attention=32, _flash_attention_forward=32), "flash",
         False, True),
        (counted(_scaled_dot_product_efficient_attention=32), "flash", False, False),
        (counted(_scaled_dot_product_efficient_attention=32), "mem_efficient", False, True),
        (counted(_scaled_dot_product_efficient_attention=32, _efficient_attention_forward=32),
         "mem_efficient", False, True),
        (counted(_scaled_dot_product_cudnn_attention=32), "cudnn", True, True),
        (counted(_scaled_dot_product_flash_attention=32), "auto", False, True),
        (counted(_native_multi_head_attention=16, bmm=64, _softmax=32), "math", False, False),
        (counted(_native_multi_head_attention=1, _scaled_dot_product_flash_attention=32), "flash",
         False, False),
        (counted(bmm=64), "math", True, True),
        (counted(bmm=63), "math", True, False),
        (counted(bmm=65), "math", True, False),
        (counted(bmm=64), "auto", True, True),
        (counted(bmm=24, _scaled_dot_product_flash_attention=20), "auto", True, True),
        (counted(bmm=26, _scaled_dot_product_flash_attention=20), "auto", True, False),
        (counted(bmm=64, _scaled_dot_product_flash_attention=1), "math", True, False),
        (counted(bmm=64, _softmax=32), "original", False, True),
        (counted(bmm=66, _softmax=33), "original", False, False),
        (counted(bmm=64, _softmax=31), "original", False, False),
        (counted(_scaled_dot_product_flash_attention=32), "original", True, False),
        (counted(), "flash", False, False),
        (counted(), "xformers", False, False),
    ],
)  # fmt: skip
def test_verdicts(profile: CallCounts, backend: str, compiled: bool, proven: bool) -> None:
    proof = judge(profile, AttentionConfig(backend=backend), 32, compiled, has_sdpa=True)
    assert proof.proven is proven, proof.detail


#: How xFormers appears, by version: its own operators, PyTorch's below them, or both; and a
#: mixture, since 0.0.16 chose a kernel by the number of heads and tokens.
BY_XFORMERS = [
    (counted(xformers_flash__flash_fwd=32), "32 flash"),
    (counted(_flash_attention_forward=32), "32 flash"),
    (counted(xformers_flash__flash_fwd=32, _flash_attention_forward=32), "32 flash"),
    (counted(xformers__efficient_attention_forward_cutlass=32), "32 cutlass"),
    (counted(xformers__efficient_attention_forward_cutlass=30, xformers_flash__flash_fwd=2),
     "30 cutlass, 2 flash"),
    (counted(xformers__efficient_attention_forward_cutlass=10, xformers_flash__flash_fwd=22),
     "10 cutlass, 22 flash"),
    (counted(_efficient_attention_forward=20, _flash_attention_forward=12), "20 cutlass, 12 flash"),
    (counted(xformers_flash3__flash_fwd=20, xformers__efficient_attention_forward_cutlass=12),
     "12 cutlass, 20 flash3"),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "mixture"), BY_XFORMERS)
def test_what_xformers_called_proves_xformers_and_no_other_label(
    profile: CallCounts, mixture: str
) -> None:
    for label in ATTENTION_BACKENDS:
        for compiled in (False, True):
            proof = judge(profile, AttentionConfig(backend=label), 32, compiled, has_sdpa=True)
            assert proof.proven == (label == "xformers"), (label, proof.detail)
            assert mixture in proof.detail, (label, proof.detail)


@pytest.mark.parametrize(
    "others",
    [
        {SDPA_FLASH: 1},
        {"_scaled_dot_product_attention_math": 1},
        {"xformers_flash__flash_fwd": 1},  # one more than there are modules
        {SDPA_FLASH: 32, "_flash_attention_forward": 32},
    ],
)
def test_xformers_is_not_proven_by_more_than_its_own(others: dict[str, int]) -> None:
    profile = counted(**{"xformers__efficient_attention_forward_cutlass": 32, **others})
    proof = judge(profile, AttentionConfig(backend="xformers"), 32, False, has_sdpa=True)
    assert not proof.proven, proof.detail


def test_a_batched_product_that_the_compiler_generated_is_one() -> None:
    names = {"triton_tem_fused_bmm_3": 60, "triton_tem_fused_mm_7": 90, "aten::bmm": 4}
    proof = judge(
        CallCounts(Counter(names), Counter()), AttentionConfig(backend="math"), 32, True, True
    )
    assert proof.proven, proof.detail
    assert proof.detail.startswith("64 matrix products")


def test_auto_with_flash_disabled_is_not_proven_by_flash() -> None:
    auto = AttentionConfig(backend="auto", disable_flash=True)
    assert not judge(counted(_scaled_dot_product_flash_attention=32), auto, 32, False, True).proven
    both = counted(
        _scaled_dot_product_efficient_attention=20, _scaled_dot_product_attention_math=12
    )
    assert judge(both, auto, 32, False, True).proven
    assert MATH_OPERATOR in both.operators


def test_the_pipeline_has_32_attention_modules(tiny: Compose) -> None:
    pipeline = Ours(tiny("attention=original"), CPU)
    assert sum(map(is_unet_attention, pipeline.unet.modules())) == 32
