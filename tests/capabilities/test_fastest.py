"""preset=fastest: the mix that was measured, and a note where it was not measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sd_bench.capabilities import devices, fastest
from sd_bench.capabilities.fastest import ON_CPU, ON_CUDA, why_fastest_may_not_be
from sd_bench.capabilities.nvidia_driver import detect
from sd_bench.execution.cell import choices
from sd_bench.paths import PACKAGE_DIR
from sd_bench.records import find_records, read_record
from tests.support.composition import Compose
from tests.support.machines import H100_SXM, set_up

#: A version as ``torch_env`` requests it: older ones cannot pack weights.
MEASURED_TORCH = "torch_env.requires_torch='2.15'"
AMX, NO_AMX = frozenset({"avx512_bf16", "amx_bf16"}), frozenset({"avx2"})


@pytest.fixture(autouse=True)
def not_asked_yet() -> Iterator[None]:
    detect.cache_clear()
    yield
    detect.cache_clear()


@pytest.fixture
def h100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose nvidia-smi reports an H100."""
    for name, value in set_up(H100_SXM, tmp_path / "h100").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, whose processor has AMX."""
    monkeypatch.setattr(devices, "cuda_devices", tuple)
    monkeypatch.setattr(fastest, "cuda_devices", tuple)
    for module in (devices, fastest):
        monkeypatch.setattr(module, "cpu_flags", lambda: AMX)


@pytest.mark.usefixtures("cpu")
def test_on_a_cpu_it_is_the_mix_that_was_measured(compose_config: Compose) -> None:
    config = compose_config("preset=fastest", "gpu=cpu", MEASURED_TORCH)
    chosen = choices(config)
    assert (chosen["compile"], chosen["optimizations"]) == (ON_CPU.compile, ON_CPU.optimizations)
    assert (chosen["preset"], chosen["precision"]) == ("fastest", "bf16")
    assert why_fastest_may_not_be(config, "Intel(R) Xeon(R) Processor") is None


@pytest.mark.usefixtures("cpu")
def test_an_older_pytorch_gets_what_it_supports_with_a_note(compose_config: Compose) -> None:
    config = compose_config("preset=fastest", "gpu=cpu", "torch_env.requires_torch='2.6'")
    assert choices(config)["preset"] == "fastest with optimizations=channels_last"


@pytest.mark.usefixtures("h100")
def test_on_a_gpu_it_is_the_mix_that_was_measured(compose_config: Compose) -> None:
    config = compose_config("preset=fastest", "gpu=h100")
    chosen = choices(config)
    assert (chosen["compile"], chosen["optimizations"]) == (ON_CUDA.compile, ON_CUDA.optimizations)
    assert (chosen["preset"], chosen["precision"]) == ("fastest", ON_CUDA.precision)
    assert why_fastest_may_not_be(config, "NVIDIA H100 80GB HBM3") is None
    assert why_fastest_may_not_be(config, "NVIDIA H100 NVL") is not None, "another card"


@pytest.mark.usefixtures("h100")
def test_a_device_that_was_not_measured_gives_a_warning(compose_config: Compose) -> None:
    warning = why_fastest_may_not_be(compose_config("preset=fastest"), "NVIDIA A10")
    assert warning is not None
    assert warning.startswith("preset=fastest has not been measured here: it is the mix that was")
    assert "experiment=fastest" in warning
    assert why_fastest_may_not_be(compose_config("precision=fp16"), "NVIDIA A10") is None


def test_a_processor_without_amx_gives_a_warning(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastest, "cpu_flags", lambda: NO_AMX)
    warning = why_fastest_may_not_be(compose_config("preset=fastest", "gpu=cpu"), "AMD EPYC")
    assert warning is not None
    assert ON_CPU.records in warning


@pytest.mark.usefixtures("cpu")
def test_what_departs_from_it_says_so_in_its_name(compose_config: Compose) -> None:
    typed = ("preset=fastest", "gpu=cpu", "compile=default")
    name = choices(compose_config(*typed))["preset"]
    assert name == "fastest with compile=default, optimizations=channels_last+freezing"
    typed = ("preset=fastest", "gpu=cpu", "optimizations.packed_weights=false")
    name = choices(compose_config(*typed))["preset"]
    assert name == "fastest with optimizations=channels_last"


@pytest.mark.parametrize("mix", [ON_CPU, ON_CUDA], ids=["cpu", "cuda"])
def test_the_records_that_a_mix_names_are_committed_and_hold_it(mix: fastest.Mix) -> None:
    """Measured on that day with exactly these choices, and faster than all cells without them."""
    records = [read_record(path) for path in find_records(PACKAGE_DIR.parent / mix.records)]
    of_mix = [
        r
        for r in records
        if r.choices["implementation"] == "sd_bench"
        and (r.choices["compile"], r.choices["optimizations"]) == (mix.compile, mix.optimizations)
        and r.choices["precision"] == mix.precision
    ]
    assert of_mix
    assert {r.started_at[:10] for r in of_mix} == {mix.date}
    others = [r for r in records if r not in of_mix and r.choices["implementation"] == "sd_bench"]
    assert others
    slowest = max(total_s(r) for r in of_mix)
    assert all(total_s(r) > slowest for r in others)


def total_s(record: object) -> float:
    times = getattr(record, "times", None)
    assert times is not None
    return float(sum(iteration.total_s for iteration in times.iterations))
