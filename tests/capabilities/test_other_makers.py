"""GPUs of other makers: eager cells run there, and their kernels are reported as unproven."""

from __future__ import annotations

import platform

import pytest
import torch

from sd_bench.capabilities.other_makers import OTHER_MAKERS
from sd_bench.capabilities.support_rules import Host, unsupported_reason
from sd_bench.capabilities.torch_builds import Build
from sd_bench.config.schema import Config
from sd_bench.execution.worker import device_of
from sd_bench.measurement.round import measure_round
from tests.support.composition import Compose

BUILDS = {
    "rocm": Build(version=(2, 9), hip="6.4.43484"),
    "xpu": Build(version=(2, 9), xpu="20250302"),
    "mps": Build(version=(2, 9)),
}


def why(config: Config, build: Build | None = None) -> str | None:
    host = Host(
        kind=config.gpu.kind,
        capability=None,
        torch=(2, 9),
        has_xformers=True,
        has_compiler=True,
        build=build or BUILDS[config.gpu.kind],
    )
    return unsupported_reason(config, host)


@pytest.fixture
def on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")


@pytest.mark.slow
@pytest.mark.usefixtures("on_a_mac")
@pytest.mark.parametrize("kind", OTHER_MAKERS)
def test_eager_cells_run_and_no_others(compose_config: Compose, kind: str) -> None:
    for attention in ("auto", "math", "original"):
        assert why(compose_config(f"gpu={kind}", f"attention={attention}")) is None
    for attention in ("flash", "mem_efficient", "cudnn", "xformers"):
        reason = str(why(compose_config(f"gpu={kind}", f"attention={attention}")))
        assert reason.startswith(f"attention={attention} cannot be distinguished from others on")
    compiled = compose_config(f"gpu={kind}", "attention=auto", "compile=default")
    assert str(why(compiled)).endswith("use compile=off")


@pytest.mark.parametrize("kind", OTHER_MAKERS)
def test_a_pytorch_for_other_gpus_is_reported(
    compose_config: Compose, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    reason = str(why(compose_config(f"gpu={kind}"), Build(version=(2, 15), cuda=(13, 2))))
    assert reason.startswith(f"gpu={kind} needs a PyTorch made for {OTHER_MAKERS[kind].build}, ")
    assert "this is PyTorch 2.15 made with CUDA 13.2" in reason


@pytest.mark.slow
def test_what_pytorch_calls_them(compose_config: Compose) -> None:
    names = {kind: str(device_of(compose_config(f"gpu={kind}"))) for kind in OTHER_MAKERS}
    assert names == {"rocm": "cuda:0", "mps": "mps", "xpu": "xpu:0"}


@pytest.mark.parametrize("kind", OTHER_MAKERS)
def test_a_round_is_measured_unproven_and_without_energy(
    compose_config: Compose, kind: str
) -> None:
    """On the CPU, under the name of such a GPU, since none is available here."""
    config = compose_config(
        f"gpu={kind}", "attention=auto", "model_version=sd2_tiny", "precision=fp32",
        "workload.height=64", "workload.width=64", "sampler.steps=1", "protocol=smoke",
    )  # fmt: skip
    measured = measure_round(config, torch.device("cpu"), 0.0, None, lambda phase: None)
    assert measured.times.runtime_s > 0
    assert not measured.kernel_proof.proven
    reason = f"the kernel names of {OTHER_MAKERS[kind].gpus} are not known"
    assert measured.kernel_proof.unprovable == measured.kernel_proof.detail == reason
    assert measured.energy is not None
    assert measured.energy.joules is None
    assert measured.energy.notes == {"joules": f"not read for {OTHER_MAKERS[kind].gpus}"}
