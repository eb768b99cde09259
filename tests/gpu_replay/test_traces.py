"""A step on a GPU has the same classes in the formats of several releases of PyTorch."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sd_bench.measurement import step_profile
from sd_bench.measurement.kernel_classes import Step, read_step
from sd_bench.measurement.step_profile import notes_on
from sd_bench.measurement.trace_events import ATTENTION_SCOPE, STEP_SCOPE
from tests.support.gpu_traces import FORMATS, Format, Host, Kernel, trace_of

GEMM = "ampere_fp16_s16816gemm_fp16_128x128_ldg8_f2f_stages_32x5_tn"
ELEMENTWISE = "void at::native::vectorized_elementwise_kernel<4, Anonymous, Array<char*, 2> >"
STEP = Host(STEP_SCOPE, 100, 1000, is_scope=True)

#: The host in an eager step: operators nest, and the innermost launches.
EAGER_HOST = [
    STEP,
    Host("aten::conv2d", 110, 60),
    Host("aten::convolution", 112, 56),
    Host("aten::_convolution", 114, 52),
    Host("aten::cudnn_convolution", 116, 48),
    Host("aten::group_norm", 180, 40),
    Host("aten::native_group_norm", 184, 34),
    Host("aten::silu", 230, 15),
    Host(ATTENTION_SCOPE, 250, 200, is_scope=True),
    Host("aten::linear", 255, 30),
    Host("aten::addmm", 260, 22),
    Host("aten::matmul", 290, 40),
    Host("aten::bmm", 300, 25),
    Host("aten::mul", 335, 15),
    Host("aten::softmax", 355, 30),
    Host("aten::_softmax", 360, 20),
    Host("aten::copy_", 460, 20),
]
#: The device lags behind. By name a convolution of cuDNN is a product, and it changes layout.
EAGER_KERNELS = [
    Kernel(name="Memset (Device)", launched=90, begin=95, length=2, call="cudaMemsetAsync"),
    Kernel(name="void cudnn::ops::nchwToNhwcKernel<__half>", launched=120, begin=150, length=10),
    Kernel(name=GEMM, launched=130, begin=160, length=100),
    Kernel(name="void cudnn::ops::nhwcToNchwKernel<__half>", launched=150, begin=260, length=15),
    Kernel(name="void at::native::RowwiseMomentsCUDAKernel<c10::Half>", launched=190, begin=280,
           length=20),
    Kernel(name=ELEMENTWISE, launched=205, begin=300, length=12),
    Kernel(name=ELEMENTWISE, launched=234, begin=320, length=8),
    Kernel(name=GEMM, launched=265, begin=330, length=50),
    Kernel(name=GEMM, launched=305, begin=380, length=70, call="cuLaunchKernel"),
    Kernel(name=ELEMENTWISE, launched=340, begin=450, length=9),
    Kernel(name="void softmax_warp_forward<c10::Half, float>", launched=365, begin=460, length=30),
    # launched by Triton, in the module and in no operator
    Kernel(name="_splitK_reduce", launched=400, begin=490, length=11),
    Kernel(name="Memcpy DtoD (Device -> Device)", launched=465, begin=505, length=6,
           call="cudaMemcpyAsync"),
]  # fmt: skip
EAGER_US = {
    "convolutions": 100, "matrix_products": 50, "attention": 70 + 9 + 30 + 11,
    "normalisation": 20 + 12, "element_wise": 8, "copies": 10 + 15 + 6, "other": 0,
}  # fmt: skip

each_format = pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)


def us(step: Step) -> dict[str, float]:
    """Microseconds by class, without idle."""
    return {name: s * 1e6 for name, s in step.by_class.items() if name != "idle"}


@each_format
def test_an_eager_step_has_its_classes_in_every_format(written: Format) -> None:
    """A product in an attention module counts as attention, whatever number its kernel has."""
    step = read_step(trace_of(written, EAGER_HOST, EAGER_KERNELS), on_device=True, compiled=False)
    assert us(step) == pytest.approx(EAGER_US)
    assert sum(step.by_class.values()) == pytest.approx(1e-3)
    assert (step.num_launched, step.num_lost) == (12, 0)
    assert (step.num_kernels, step.num_unjoined, step.num_replayed) == (12, 1, 0)
    notes = notes_on(step, on_device=True, compiled=False)
    assert notes.keys() == {"idle", "operators"}
    assert "which operator launched 1 of 12 kernels" in notes["operators"]


def test_a_kernels_number_that_is_its_correlation_names_no_operator() -> None:
    """By chance it can equal an operator's number, such as silu's for a product of attention."""
    trace = trace_of(FORMATS["2.0"], EAGER_HOST, EAGER_KERNELS)
    numbers = {e["args"]["External id"] for e in operators(trace)}
    kernels = [e for e in trace["traceEvents"] if e.get("cat") == "kernel"]
    assert all(e["args"]["External id"] in numbers for e in kernels)
    calls = {
        e["args"]["correlation"] for e in trace["traceEvents"] if e.get("cat") == "cuda_driver"
    }
    (product,) = (e for e in kernels if e["args"]["correlation"] in calls)
    assert named(trace, product["args"]["External id"]) == ATTENTION_SCOPE


def operators(trace: dict[str, Any]) -> list[dict[str, Any]]:
    return [e for e in trace["traceEvents"] if e.get("cat") in ("cpu_op", "user_annotation")]


def named(trace: dict[str, Any], number: int) -> str:
    return next(e["name"] for e in operators(trace) if e["args"]["External id"] == number)


@pytest.mark.parametrize(("name", "known"), [("2.1", True), ("2.0", False), ("1.12", False)])
def test_a_kernel_whose_call_the_trace_lacks_is_joined_by_its_operators_number_alone(
    name: str, known: bool
) -> None:
    """As for cuLaunchKernelEx, which older versions of Kineto did not trace."""
    without = [replace(k, call=None) if k.call == "cuLaunchKernel" else k for k in EAGER_KERNELS]
    step = read_step(trace_of(FORMATS[name], EAGER_HOST, without), on_device=True, compiled=False)
    assert step.num_unjoined == (1 if known else 2)
    product = {"attention": 0, "matrix_products": 0} if known else {
        "attention": -70, "matrix_products": 70
    }  # fmt: skip
    expected = {cls: us_ + product.get(cls, 0) for cls, us_ in EAGER_US.items()}
    assert us(step) == pytest.approx(expected)


@each_format
def test_kernels_that_were_launched_and_not_seen_are_counted(written: Format) -> None:
    lost = [replace(k, is_lost=k.name == GEMM) for k in EAGER_KERNELS]
    step = read_step(trace_of(written, EAGER_HOST, lost), on_device=True, compiled=False)
    assert (step.num_launched, step.num_lost) == (12, 3)
    note = notes_on(step, on_device=True, compiled=False)["kernels"]
    assert note.startswith("the profiler lost 3 of 12 launched kernels")


@pytest.mark.parametrize(
    ("lost_in", "tries", "noted"), [(0, 1, False), (2, 3, False), (3, 3, True)]
)
def test_a_step_with_lost_kernels_is_profiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost_in: int, tries: int, noted: bool
) -> None:
    lost = [replace(k, is_lost=k.name == GEMM) for k in EAGER_KERNELS]
    made: list[bytes] = []

    def trace_step(_: object) -> bytes:
        kernels = lost if len(made) < lost_in else EAGER_KERNELS
        made.append(json.dumps(trace_of(FORMATS["2.7"], EAGER_HOST, kernels)).encode())
        return made[-1]

    monkeypatch.setattr(step_profile, "_trace_step", trace_step)
    on_a_gpu: Any = SimpleNamespace(
        config=SimpleNamespace(
            compile=SimpleNamespace(mode="off"), optimizations=SimpleNamespace(cuda_graph=False)
        ),
        device=torch.device("cuda"),
        attention_modules=[],
    )
    profile = step_profile.profile_step(on_a_gpu, tmp_path / "trace.json.gz")
    assert len(made) == tries
    assert ("kernels" in profile.notes) == noted
    assert gzip.decompress((tmp_path / "trace.json.gz").read_bytes()) == made[-1]


#: A compiled step: a Triton kernel is launched inside an operator of the same name, and what
#: inductor calls in PyTorch inside PyTorch's operator.
COMPILED_HOST = [
    STEP,
    Host("Torch-Compiled Region: 0/0", 105, 800),
    Host("## Call CompiledFxGraph fabc ##", 110, 780),
    Host("triton_poi_fused_convolution_silu_3", 120, 20),
    Host("aten::convolution", 150, 40),
    Host("aten::cudnn_convolution", 155, 30),
    Host("triton_red_fused_native_group_norm_1", 200, 20),
    Host("aten::bmm", 230, 20),
    Host("triton_per_fused__softmax_2", 260, 20),
    Host("aten::addmm", 290, 20),
    Host("aten::_scaled_dot_product_flash_attention", 320, 30),
    Host("aten::_flash_attention_forward", 325, 20),
]
COMPILED_KERNELS = [
    Kernel(name="triton_poi_fused_convolution_silu_3", launched=125, begin=150, length=10,
           call="cuLaunchKernel"),
    Kernel(name="sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc", launched=160,
           begin=170, length=60, call="cudaLaunchKernelExC_v11060"),
    Kernel(name="triton_red_fused_native_group_norm_1", launched=205, begin=240, length=7,
           call="cuLaunchKernel"),
    Kernel(name=GEMM, launched=235, begin=250, length=40),
    Kernel(name="triton_per_fused__softmax_2", launched=265, begin=300, length=5,
           call="cuLaunchKernel"),
    Kernel(name=GEMM, launched=295, begin=310, length=30),
    Kernel(name="void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64> >", launched=330,
           begin=350, length=25),
]  # fmt: skip
COMPILED_US = {
    "element_wise": 10, "convolutions": 60, "normalisation": 7, "attention": 40 + 5 + 25,
    "matrix_products": 30, "copies": 0, "other": 0,
}  # fmt: skip


@each_format
def test_a_compiled_step_has_its_classes_in_every_format(written: Format) -> None:
    trace = trace_of(written, COMPILED_HOST, COMPILED_KERNELS)
    step = read_step(trace, on_device=True, compiled=True)
    assert us(step) == pytest.approx(COMPILED_US)
    assert (step.num_launched, step.num_unjoined) == (7, 0)


@each_format
def test_what_a_cuda_graph_replays_is_classified_by_name_with_a_note(written: Format) -> None:
    """All its kernels share one call, and the operators around that are not theirs."""
    host = [STEP, Host("## Call CompiledFxGraph fabc ##", 110, 700), Host("aten::bmm", 120, 600)]
    replayed = [
        replace(kernel, launched=130, call="cudaGraphLaunch", graph=4)
        for kernel in COMPILED_KERNELS
    ]
    step = read_step(trace_of(written, host, replayed), on_device=True, compiled=True)
    products = 30 + 40  # batched products are not distinguished from others
    expected = {**COMPILED_US, "matrix_products": products, "attention": 5 + 25}
    assert us(step) == pytest.approx(expected)
    assert (step.num_launched, step.num_replayed, step.num_unjoined) == (0, 7, 0)
    notes = notes_on(step, on_device=True, compiled=True)
    assert "a CUDA graph replayed 7 of 7 kernels" in notes["graph"]
    assert "operators" not in notes


@pytest.mark.parametrize(
    ("seen", "tries", "kept", "note"),
    [
        ([7, 7], 2, 0, None),
        ([6, 7, 7], 3, 1, None),
        ([7, 5, 7], 3, 0, None),
        (
            [5, 7, 6],
            3,
            1,
            "the profiles saw different numbers of the graph's kernels (5, 7, 6): some",
        ),
    ],
)
def test_a_graph_is_profiled_until_two_steps_saw_as_many_kernels(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seen: list[int],
    tries: int,
    kept: int,
    note: str | None,
) -> None:
    """Nothing else tells how many kernels a graph has: it is launched as one."""
    made: list[bytes] = []

    def trace_step(_: object) -> bytes:
        replayed = [
            replace(kernel, launched=130, call="cudaGraphLaunch", graph=4, is_lost=index >= count)
            for count in [seen[len(made)]]
            for index, kernel in enumerate(COMPILED_KERNELS)
        ]
        made.append(json.dumps(trace_of(FORMATS["2.7"], [STEP], replayed)).encode())
        return made[-1]

    monkeypatch.setattr(step_profile, "_trace_step", trace_step)
    on_a_gpu: Any = SimpleNamespace(
        config=SimpleNamespace(
            compile=SimpleNamespace(mode="off"), optimizations=SimpleNamespace(cuda_graph=True)
        ),
        device=torch.device("cuda"),
        attention_modules=None,  # their hooks would see nothing
    )
    profile = step_profile.profile_step(on_a_gpu, tmp_path / "trace.json.gz")
    assert len(made) == tries
    assert gzip.decompress((tmp_path / "trace.json.gz").read_bytes()) == made[kept]
    assert f"{max(seen)} of {max(seen)} kernels" in profile.notes["graph"]
    assert profile.notes.get("graph_kernels", "").startswith(note or "")
    assert ("graph_kernels" in profile.notes) == (note is not None)


def test_a_graphs_kernel_is_known_by_its_number_where_the_call_is_missing() -> None:
    replayed = [replace(k, call=None, graph=4) for k in COMPILED_KERNELS]
    step = read_step(trace_of(FORMATS["2.7"], COMPILED_HOST, replayed), True, compiled=True)
    assert (step.num_replayed, step.num_unjoined) == (7, 0)


@each_format
def test_on_a_cpu_the_same_trace_is_of_operators(written: Format) -> None:
    step = read_step(trace_of(written, EAGER_HOST, EAGER_KERNELS), on_device=False, compiled=False)
    assert us(step)["convolutions"] == pytest.approx(60)
    assert us(step)["attention"] == pytest.approx(40 + 15 + 30)
    assert us(step)["matrix_products"] == pytest.approx(30)
