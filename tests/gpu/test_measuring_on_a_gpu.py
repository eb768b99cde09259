"""Telemetry, energy, environment and profile that only a GPU can show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sd_bench.implementations.ours import Ours
from sd_bench.measurement.environment_facts import describe_environment
from sd_bench.measurement.kernel_names import CLASSES
from sd_bench.measurement.round import measure_round
from sd_bench.measurement.step_profile import profile_step
from sd_bench.measurement.telemetry_summary import CLOCK_EVENT_REASONS
from sd_bench.sampling.text_to_image import guided
from tests.support.composition import Compose

pytestmark = pytest.mark.gpu

GAUGES = {
    "sm_clock_mhz", "memory_clock_mhz", "temperature_c", "power_w", "gpu_utilisation_percent",
    "memory_utilisation_percent", "cpu_clock_mhz", "load_average",
}  # fmt: skip


def test_a_round_has_the_gpus_clocks_power_and_energy(
    on_gpu: Compose, device: torch.device
) -> None:
    pytest.importorskip("pynvml")
    config = on_gpu("model_version=sd2_tiny", "attention=math", "protocol.n_iter=2")
    measured = measure_round(config, device, 0.0, None, lambda phase: None)
    telemetry, energy = measured.telemetry, measured.energy
    assert telemetry is not None
    assert "gpu" not in telemetry.notes, telemetry.notes
    assert set(telemetry.series) >= GAUGES - telemetry.notes.keys()
    assert all(clock and clock > 100 for clock in telemetry.series["sm_clock_mhz"])
    assert len(telemetry.throttle_reasons) == len(telemetry.at_s)
    words = {word for word, _ in CLOCK_EVENT_REASONS.values()}
    assert {word for reasons in telemetry.throttle_reasons for word in reasons} <= words
    assert energy is not None
    if energy.joules is not None:  # devices before Volta have no counter
        assert energy.source == "nvml"
        assert energy.joules > 0
        assert energy.joules == pytest.approx(2 * energy.joules_per_image)  # type: ignore[operator]
    else:
        assert "joules" in energy.notes


def test_the_environment_has_the_gpus_limits_and_says_which_one_it_is(
    device: torch.device,
) -> None:
    facts = describe_environment(device)
    assert facts["device"]["driver"]
    assert facts["device"]["power_limit_w"] > 0
    assert facts["device_instance"]["uuid"].startswith("GPU-")
    assert facts["cudnn"]


@pytest.mark.parametrize("cuda_graph", ["false", "true"])
@pytest.mark.parametrize("sampler", ["plms", "ddim", "dpm_solver"])
def test_the_host_waits_for_nothing_between_the_first_step_and_the_last(
    on_gpu: Compose, device: torch.device, sampler: str, cuda_graph: str
) -> None:
    """PyTorch raises an error at every synchronisation that it knows of."""
    given = (f"sampler={sampler}", "sampler.steps=4", f"optimizations.cuda_graph={cuda_graph}")
    pipeline = Ours(on_gpu("model_version=sd2_tiny", "attention=math", *given), device)
    latents = torch.randn(1, 4, 8, 8, device=device)
    with pipeline.running():
        context = pipeline.encode_text(torch.zeros(2, 77, dtype=torch.long, device=device))
        model = guided(pipeline, context, 7.5)
        model(latents, max(pipeline.sampler.timesteps))
        torch.cuda.set_sync_debug_mode("error")
        try:
            pipeline.sampler(model, latents, lambda: None, lambda: torch.zeros_like(latents))
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("attention", ["original", "math", "auto"])
def test_a_steps_classes_add_up_from_the_devices_kernels(
    on_gpu: Compose, device: torch.device, attention: str, tmp_path: Path
) -> None:
    config = on_gpu("model_version=sd2_tiny", "precision=fp16", f"attention={attention}")
    pipeline = Ours(config, device)
    with pipeline.running():
        profile_step(pipeline, tmp_path / "warm-up.json.gz")
        found = profile_step(pipeline, tmp_path / "round-0-trace.json.gz")
    assert found.seconds_by_class.keys() == set(CLASSES)
    assert sum(found.seconds_by_class.values()) == pytest.approx(found.step_s)
    worked = ("attention", "matrix_products", "convolutions", "normalisation", "element_wise")
    assert all(found.seconds_by_class[name] > 0 for name in worked), found.seconds_by_class
    assert not any(name.startswith("aten::") for name in found.kernels)
