"""Which baseline a name means, and what is offered if it means none."""

from __future__ import annotations

from typing import Any

import pytest

from sd_bench.records import Record
from sd_bench.verdicts.baselines import Baseline, BaselineError, choose_baseline, list_unasked
from sd_bench.verdicts.cells import pool_records
from sd_bench.verdicts.comparisons import compare_cells
from tests.support.records import sample_environment, sample_record


def on(device: str, torch: str = "2.15.0", gpu: str = "cpu", **more: Any) -> Record:
    environment = sample_environment(f"{device} {torch}", device, torch)
    return sample_record(1.0, environment=environment, gpu=gpu, sweep=f"{device} {torch}", **more)


def chosen(records: list[Record], name: str | None = None) -> Baseline | None:
    return choose_baseline(pool_records(records), name)


@pytest.mark.parametrize("name", ["torch=1.12.1", "torch=1.12.1+cu102", "torch=1.12"])
def test_a_version_of_pytorch_needs_no_build(name: str) -> None:
    records = [on("NVIDIA H100", torch, "h100") for torch in ("1.12.1+cu102", "2.15.0+cu132")]
    assert chosen(records, name) == Baseline("torch", "1.12.1+cu102")


def test_a_version_that_fits_two_builds_is_asked_about() -> None:
    records = [on("NVIDIA H100", torch, "h100") for torch in ("2.15.0+cu126", "2.15.0+cu132")]
    with pytest.raises(BaselineError, match=r"torch=2.15.0\+cu126 or torch=2.15.0\+cu132: say"):
        chosen(records, "torch=2.15.0")
    with pytest.raises(BaselineError, match=r"no baseline .torch=2\.1"):
        chosen(records, "torch=2.1")


@pytest.mark.parametrize("name", ["device=H100", "device=h100"])
def test_a_device_is_a_baseline_for_the_same_cell_elsewhere(name: str) -> None:
    records = [
        on("NVIDIA H100 80GB HBM3", gpu="h100", attention="math"),
        on("NVIDIA H100 80GB HBM3", gpu="h100", attention="flash"),
        on("NVIDIA A100", gpu="a100", attention="math"),
    ]
    h100_math, h100_flash, a100_math = compare_cells(pool_records(records), name)
    assert a100_math.baseline_cell is h100_math.cell
    assert a100_math.difference is not None
    assert h100_flash.baseline_cell is h100_flash.cell


def test_two_processors_are_two_devices() -> None:
    records = [on("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"), on("AMD EPYC 7B13")]
    xeon, epyc = compare_cells(pool_records(records), "device=Xeon Platinum 8481C")
    assert epyc.baseline_cell is xeon.cell


def test_an_unknown_baseline_lists_those_there_are_on_one_line() -> None:
    records = [on("NVIDIA H100", torch, "h100") for torch in ("1.12.1+cu102", "2.15.0+cu132")]
    with pytest.raises(BaselineError) as error:
        chosen(records, "device=A100")
    assert "\n" not in str(error.value)
    for offered in ("torch=1.12.1+cu102", "device=H100", "env=H100, PyTorch 2.15.0", "gpu=h100"):
        assert offered in str(error.value)


def with_settings(implementation: str, compile: str = "off", optimizations: str = "") -> Record:
    return sample_record(
        1.0, implementation=implementation, compile=compile, optimizations=optimizations or None
    )


def test_the_usual_baseline_of_several_implementations_is_ours() -> None:
    records = [with_settings(name) for name in ("openvino", "sd_bench", "diffusers")]
    assert chosen(records) == Baseline("implementation", "sd_bench")
    assert chosen([*records[::2]]) == Baseline("implementation", "diffusers")


def test_a_peer_is_held_against_the_likest_cell_of_ours() -> None:
    eager, compiled = ("sd_bench",), ("sd_bench", "default", "channels_last+freezing")
    ours = [with_settings(*eager), with_settings(*compiled)]
    for peer, expected in (
        (with_settings("diffusers"), 0),
        (with_settings("diffusers", *compiled[1:]), 1),
        (with_settings("documented", "max_autotune", "channels_last"), 1),
        (with_settings("openvino", "off", "fused_projections"), 0),
    ):
        first, second, of_peer = compare_cells(
            pool_records([*ours, peer]), "implementation=sd_bench"
        )
        assert of_peer.baseline_cell is (first, second)[expected].cell


def test_what_only_a_compiler_has_does_not_keep_compiled_from_eager() -> None:
    records = [with_settings("sd_bench"), with_settings("sd_bench", "default", "freezing")]
    eager, compiled = compare_cells(pool_records(records), "compile=off")
    assert compiled.baseline_cell is eager.cell


def test_none_is_a_baseline_of_optimizations() -> None:
    records = [with_settings("sd_bench"), with_settings("sd_bench", "off", "channels_last")]
    assert chosen(records) == Baseline("optimizations", "none")
    plain, fast = compare_cells(pool_records(records))
    assert fast.baseline_cell is plain.cell


def test_implementations_are_offered_where_there_are_several() -> None:
    with pytest.raises(BaselineError) as one:
        chosen([with_settings("sd_bench")], "seed=9")
    assert "implementation" not in str(one.value)
    with pytest.raises(BaselineError, match="implementation=sd_bench, implementation=openvino"):
        chosen([with_settings("sd_bench"), with_settings("openvino")], "seed=9")


def test_a_seed_is_offered_and_never_chosen_unasked() -> None:
    records = [
        sample_record(1.0, config={"workload": {"seed": seed}}, cell_hash=str(seed))
        for seed in (1, 2)
    ]
    assert chosen(records) is None
    assert list_unasked(pool_records(records)) == [Baseline("seed", 1)]
    assert chosen(records, "seed=2") == Baseline("seed", 2)
    with pytest.raises(BaselineError, match="seed=1, seed=2"):
        chosen(records, "seed=3")
