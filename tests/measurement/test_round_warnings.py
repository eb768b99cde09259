"""The warnings of a record: each comes from what the record itself contains."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from sd_bench.measurement.round_warnings import remarks
from sd_bench.records import Compilation, Record, Telemetry
from tests.support.records import sample_environment, sample_record


def a_record(**changes: Any) -> Record:
    environment = {**sample_environment(), "processor": {"affinity": 2}}
    return structs.replace(sample_record(2.0, 2.0, environment=environment), **changes)


def with_iteration(**changes: Any) -> Record:
    """A record of two iterations, the second of them changed."""
    record = a_record()
    assert record.times is not None
    first, second = record.times.iterations
    times = structs.replace(record.times, iterations=[first, structs.replace(second, **changes)])
    return structs.replace(record, times=times)


def telemetry(load: float, **notes: str) -> Telemetry:
    series: dict[str, list[float | None]] = {"load_average": [0.1, None, load]}
    return Telemetry(period_s=0.2, at_s=[0.0, 0.2, 0.4], series=series, notes=notes)


def clocks(*mhz: float | None) -> Telemetry:
    return Telemetry(period_s=0.2, at_s=[0.2 * i for i in range(len(mhz))],
                     series={"sm_clock_mhz": list(mhz)})  # fmt: skip


def test_a_gpu_clock_that_moves_is_reported_with_the_line_that_holds_it() -> None:
    environment = {**a_record().environment, "device_instance": {"uuid": "GPU-1"}}
    moving = a_record(telemetry=clocks(1980, 1200, None, 1755, 1800), environment=environment)
    (warning,) = remarks(moving)
    assert "nvidia-smi --id=GPU-1 --lock-gpu-clocks=1755,1755" in warning
    assert remarks(a_record(telemetry=clocks(1755, 1750, None), environment=environment)) == []


def compilation(graph_breaks: int | None, recompilations: int | None) -> Compilation:
    return Compilation(graphs=1, graph_breaks=graph_breaks, recompilations=recompilations)


@pytest.mark.parametrize(
    "record",
    [
        a_record(),
        a_record(telemetry=telemetry(2.9), compilation=compilation(0, 0)),
        a_record(compilation=compilation(None, None)),
        with_iteration(device_total_s=1.97),
    ],
)
def test_an_undisturbed_round_has_no_warning(record: Record) -> None:
    assert remarks(record) == []


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (with_iteration(flags=["throttled: sw_power_cap"]),
         "throttled: sw_power_cap, in 1 of 2 timed iterations"),
        (with_iteration(device_total_s=1.9), "clock and the host's differ by 5.0%"),
        (a_record(compilation=compilation(3, 0)), "3 graph breaks"),
        (a_record(compilation=compilation(0, 2)), "recompiled 2 times"),
        (a_record(telemetry=telemetry(3.1)), "load average 3.1 on 2 processors"),
        (a_record(telemetry=telemetry(0.0, observer="it is gone")), "no telemetry: it is gone"),
    ],
)  # fmt: skip
def test_each_disturbance_is_one_sentence(record: Record, expected: str) -> None:
    (sentence,) = remarks(record)
    assert expected in sentence


def with_times(
    *iterations_s: float,
    steps_s: tuple[float, ...] = (),
    calls_s: tuple[float, ...] = (),
    **choices: Any,
) -> Record:
    """A record with these iterations and these steps in the first one."""
    record = sample_record(*iterations_s, environment=a_record().environment, **choices)
    assert record.times is not None
    first, *others = record.times.iterations
    iterations = [structs.replace(first, steps_s=list(steps_s)), *others]
    times = structs.replace(record.times, iterations=iterations, warmup_unet_calls_s=list(calls_s))
    return structs.replace(record, times=times)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (with_times(1.2, 1.0, 1.02), "first timed iteration took 18% longer than any other"),
        (with_times(1.14, 1.0), None),
        (with_times(1.2, 1.0, 1.1), None),  # as slow as others are
        (with_times(1.0, 1.3), None),
        # the first step of PLMS makes two calls
        (with_times(1.0, steps_s=(0.4, 0.2, 0.2)), None),
        (with_times(1.0, steps_s=(0.6, 0.2, 0.2)), "first step, by UNet call, took 50% longer"),
        (with_times(1.0, steps_s=(0.4, 0.2, 0.2), sampler="ddim"), "took 100% longer"),
        # a single step is compared with warm-up calls other than the first
        (with_times(1.0, steps_s=(0.6,), calls_s=(0.9, 0.2)), "took 50% longer"),
        (with_times(1.0, steps_s=(0.6,), calls_s=(0.2,)), None),
        (with_times(1.0, steps_s=()), None),
    ],
)
def test_a_round_that_was_still_warming_up_says_so(record: Record, expected: str | None) -> None:
    found = remarks(record)
    assert len(found) == (expected is not None)
    assert all(str(expected) in sentence for sentence in found)
    assert record.times is not None
    disturbed = structs.replace(record.times.iterations[0], flags=["steal 4%"])
    times = structs.replace(record.times, iterations=[disturbed, *record.times.iterations[1:]])
    (only,) = remarks(structs.replace(record, times=times))
    assert only.startswith("steal 4%")


@pytest.mark.parametrize(
    ("precision", "capability", "settings", "expected"),
    [
        ("fp32", "8.0", {"cudnn_tf32": True, "matmul_tf32": False}, "convolutions in TF32"),
        (
            "fp32", "9.0", {"cudnn_tf32": True, "matmul_tf32": True},
            "computed convolutions and matrix products in TF32",
        ),
        ("fp32", "9.0", {"cudnn_tf32": False, "matmul_tf32": False}, None),
        ("fp32", "7.5", {"cudnn_tf32": True, "matmul_tf32": False}, None),
        ("autocast", "9.0", {"cudnn_tf32": True, "matmul_tf32": False}, None),
    ],
)  # fmt: skip
def test_fp32_that_is_tf32_says_so(
    precision: str, capability: str, settings: dict[str, bool], expected: str | None
) -> None:
    device = {"kind": "cuda", "name": "a GPU", "compute_capability": capability}
    record = a_record()
    record = structs.replace(
        record,
        choices={**record.choices, "precision": precision},
        environment={**record.environment, "device": device, "settings": settings},
    )
    found = remarks(record)
    assert len(found) == (expected is not None)
    assert all(str(expected) in sentence for sentence in found)


@pytest.mark.parametrize(("cudnn", "operator", "warns"), [
    (91002, "aten::_scaled_dot_product_cudnn_attention", True),
    (91501, "aten::_scaled_dot_product_cudnn_attention", False),
    (91002, "aten::_scaled_dot_product_flash_attention", False),
    (None, "aten::_scaled_dot_product_cudnn_attention", False),
])  # fmt: skip
def test_a_cudnn_whose_attention_reads_too_far_is_named(
    cudnn: int | None, operator: str, warns: bool
) -> None:
    record = a_record()
    assert record.kernel_proof is not None
    proof = structs.replace(record.kernel_proof, operators={operator: 32})
    environment = {**record.environment, "cudnn": cudnn}
    found = remarks(structs.replace(record, kernel_proof=proof, environment=environment))
    assert len(found) == warns
    assert all("cuDNN 91002 computed attention over 77 keys" in sentence for sentence in found)


def test_a_compiled_round_under_autocast_says_what_it_mixes() -> None:
    compiled = a_record(compilation=compilation(0, 0))
    under_autocast = structs.replace(
        compiled, choices={**compiled.choices, "precision": "autocast"}
    )
    (warning,) = remarks(under_autocast)
    assert "casts every weight in every UNet call" in warning
    in_half = structs.replace(compiled, choices={**compiled.choices, "precision": "fp16"})
    assert remarks(in_half) == []
