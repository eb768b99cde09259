"""Where the time of a step goes: real steps of a tiny UNet, and handwritten GPU traces."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sd_bench.implementations.ours import Ours
from sd_bench.measurement.kernel_classes import read_step
from sd_bench.measurement.kernel_names import CLASSES
from sd_bench.measurement.step_profile import notes_on, profile_step
from sd_bench.measurement.trace_events import ATTENTION_SCOPE, STEP_SCOPE
from sd_bench.networks.attention import is_unet_attention
from sd_bench.records import Profile
from tests.support.composition import Compose
from tests.support.runnable import CPU_BACKENDS

CPU = torch.device("cpu")


def profile_of(pipeline: Ours, folder: Path) -> Profile:
    with pipeline.running():
        return profile_step(pipeline, folder / "round-0-trace.json.gz")


def trace_of(folder: Path) -> list[dict[str, Any]]:
    events = json.loads(gzip.decompress((folder / "round-0-trace.json.gz").read_bytes()))
    return [e for e in events["traceEvents"] if e.get("ph") == "X"]


@pytest.mark.parametrize("attention", CPU_BACKENDS)
def test_the_classes_of_a_real_step_add_up_to_its_wall_time(
    tiny: Compose, tmp_path: Path, attention: str
) -> None:
    found = profile_of(Ours(tiny(f"attention={attention}"), CPU), tmp_path)
    assert found.seconds_by_class.keys() == set(CLASSES)
    assert sum(found.seconds_by_class.values()) == pytest.approx(found.step_s)
    worked = ("attention", "matrix_products", "convolutions", "normalisation", "element_wise")
    assert all(found.seconds_by_class[name] > 0 for name in worked)
    assert found.trace_file == "round-0-trace.json.gz"
    assert 0 < len(found.kernels) <= 10
    scopes = [e for e in trace_of(tmp_path) if e["name"] == ATTENTION_SCOPE]
    assert len(scopes) == 32, "one UNet call, although PLMS begins with two"


class Unchanged(nn.Module):
    """Replaces an attention module and returns its input."""

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        return x


@pytest.mark.slow
@pytest.mark.parametrize("attention", CPU_BACKENDS)
def test_without_attention_modules_no_time_is_attentions(
    tiny: Compose, tmp_path: Path, attention: str
) -> None:
    """So the time in the test above is theirs, and the projections' products are not counted."""
    pipeline = Ours(tiny(f"attention={attention}"), CPU)
    for parent in list(pipeline.unet.modules()):
        for name, child in list(parent.named_children()):
            if is_unet_attention(child):
                setattr(parent, name, Unchanged())
    found = profile_of(pipeline, tmp_path)
    assert found.seconds_by_class["attention"] == 0
    assert found.seconds_by_class["matrix_products"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["plms", "ddim", "dpm_solver"])
def test_a_sampler_of_one_step_is_profiled_too(tiny: Compose, tmp_path: Path, sampler: str) -> None:
    config = tiny("attention=original", f"sampler={sampler}", "sampler.steps=1")
    found = profile_of(Ours(config, CPU), tmp_path)
    assert found.seconds_by_class["attention"] > 0


def test_no_hook_is_left_on_the_unet(tiny: Compose, tmp_path: Path) -> None:
    pipeline = Ours(tiny("attention=original"), CPU)
    profile_of(pipeline, tmp_path)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in pipeline.unet.modules())


def event(category: str, name: str, ts: float, dur: float, **args: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": category, "name": name, "ts": ts, "dur": dur, "tid": 1, "args": args}


#: A step of 1000 us: host operators launch kernels on a device that lags behind.
GPU_TRACE = {
    "traceEvents": [
        {"ph": "M", "name": "process_name"},
        event("kernel", "gemm_before_the_step", 50, 20, **{"External id": 0}),
        event("user_annotation", STEP_SCOPE, 100, 1000),
        event("gpu_user_annotation", STEP_SCOPE, 150, 900),
        event("cpu_op", "aten::conv2d", 110, 40, **{"External id": 1}),
        event("user_annotation", ATTENTION_SCOPE, 160, 100),
        event("cpu_op", "aten::linear", 165, 25, **{"External id": 2}),
        event("cpu_op", "aten::addmm", 170, 15, **{"External id": 3}),
        event("cpu_op", "aten::bmm", 200, 20, **{"External id": 4}),
        event("cpu_op", "aten::mul", 230, 20, **{"External id": 5}),
        event("cpu_op", "aten::mul", 270, 20, **{"External id": 6}),
        event("kernel", "xmma_fprop", 200, 100, **{"External id": 1}),
        event("kernel", "gemm", 300, 50, **{"External id": 3}),
        event("kernel", "gemm", 350, 70, **{"External id": 4}),
        event("kernel", "elementwise_kernel", 420, 10, **{"External id": 5}),
        event("kernel", "elementwise_kernel", 440, 20, **{"External id": 6}),
        event("gpu_memcpy", "Memcpy DtoD", 450, 30),
        event("kernel", "gemm_after_the_step", 1200, 50, **{"External id": 6}),
    ]
}


def test_a_gpus_kernels_are_classified_by_the_module_that_launched_them() -> None:
    step = read_step(GPU_TRACE, on_device=True, compiled=False)
    assert step.seconds == pytest.approx(1e-3)
    expected_us = {
        "convolutions": 100, "matrix_products": 50, "attention": 80, "element_wise": 10,
        "copies": 30, "normalisation": 0, "other": 0,
    }  # fmt: skip
    idle_us = 1000 - sum(expected_us.values())
    assert {name: seconds * 1e6 for name, seconds in step.by_class.items()} == pytest.approx(
        {**expected_us, "idle": idle_us}
    )
    assert step.by_kernel["gemm"] == pytest.approx(120e-6)


def launch(name: str, ts: float, correlation: int) -> dict[str, Any]:
    return event("cuda_runtime", name, ts, 5, correlation=correlation)


def test_kernels_that_the_profiler_lost_are_counted() -> None:
    trace = [
        event("user_annotation", STEP_SCOPE, 100, 1000),
        launch("cudaLaunchKernel", 50, 1),  # before the step
        launch("cudaLaunchKernel", 110, 2),
        launch("cuLaunchKernelEx", 120, 3),
        launch("cudaMemcpyAsync", 130, 4),
        launch("cudaStreamSynchronize", 140, 5),
        event("kernel", "gemm", 200, 50, correlation=2),
        event("gpu_memcpy", "Memcpy DtoD", 260, 5, correlation=4),
    ]
    step = read_step({"traceEvents": trace}, on_device=True, compiled=False)
    assert (step.num_launched, step.num_lost) == (3, 1)
    assert read_step(GPU_TRACE, on_device=True, compiled=False).num_lost == 0


def test_waits_for_the_device_are_counted_without_the_last_one() -> None:
    """The last one ends the step. A value taken by Python appears as a wait of the driver."""
    scope = event("user_annotation", STEP_SCOPE, 100, 1000)
    value = event("cpu_op", "aten::_local_scalar_dense", 300, 20)
    inside = [launch("cudaStreamSynchronize", 305, 1), launch("cudaDeviceSynchronize", 1090, 2)]
    before = launch("cudaStreamSynchronize", 50, 3)
    trace = {"traceEvents": [scope, before, value, *inside]}
    step = read_step(trace, on_device=True, compiled=False)
    assert step.num_waits == 1
    assert "1 times" in notes_on(step, on_device=True, compiled=False)["waits"]
    assert read_step(trace, on_device=False, compiled=False).num_waits == 1
    trace["traceEvents"].remove(inside[0])
    assert read_step(trace, on_device=True, compiled=False).num_waits == 0


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["plms", "ddim", "dpm_solver"])
@pytest.mark.parametrize("cached", ["false", "true"])
def test_no_step_takes_a_tensors_value(
    tiny: Compose, tmp_path: Path, sampler: str, cached: str
) -> None:
    """On a GPU the host would wait for it and launch nothing meanwhile."""
    given = (f"sampler={sampler}", "sampler.steps=4", f"optimizations.cached_timesteps={cached}")
    found = profile_of(Ours(tiny("attention=math", *given), CPU), tmp_path)
    assert "waits" not in found.notes


def test_in_compiled_networks_batched_products_alone_are_attention() -> None:
    unscoped = [e for e in GPU_TRACE["traceEvents"] if e["name"] != ATTENTION_SCOPE]
    step = read_step({"traceEvents": unscoped}, on_device=True, compiled=True)
    assert step.by_class["attention"] == pytest.approx(70e-6)
    assert step.by_class["matrix_products"] == pytest.approx(50e-6)
    assert step.by_class["element_wise"] == pytest.approx(20e-6)


def test_on_a_cpu_an_operator_has_the_time_that_none_within_it_has() -> None:
    step = read_step(GPU_TRACE, on_device=False, compiled=False)
    expected_us = {
        "convolutions": 40, "matrix_products": 25, "attention": 40, "element_wise": 20, "copies": 0,
        "normalisation": 0, "other": 0, "idle": 875,
    }  # fmt: skip
    assert {name: s * 1e6 for name, s in step.by_class.items()} == pytest.approx(expected_us)
