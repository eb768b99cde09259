"""How sd_bench handles real machines, from their nvidia-smi and NVML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sd_bench.capabilities import nvidia_driver
from sd_bench.capabilities.devices import detected_gpu, present_capability
from sd_bench.capabilities.nvidia_driver import cuda_devices, detect, foreign_processes
from sd_bench.errors import ConfigError
from sd_bench.measurement.gpu_facts import INSTANCE, SETTINGS, gpu_facts
from tests.support.machines import Machine, set_up
from tests.support.real_machines import (
    A100_DIVIDED,
    A100_DIVIDED_AND_WHOLE,
    BUSY,
    CORRUPT_INFOROM,
    EXCLUSIVE,
    H100_PCIE,
    OLD_DRIVER,
    SLICE,
    T4,
    UPDATED_DRIVER,
    V100,
)
from tests.support.runnable import why_no_second_process

REPOSITORY = Path(__file__).parents[2]
Enter = Callable[[Machine], None]


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Enter]:
    """Put the machine's programs first on the PATH, and a device file where one is expected."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    device_file = tmp_path / "dev" / "nvidia0"
    device_file.parent.mkdir()
    device_file.touch()
    monkeypatch.setattr(
        nvidia_driver, "_SIGNS_OF_A_DEVICE", (f"{device_file.parent}/nvidia[0-9]*",)
    )
    detect.cache_clear()

    def put(machine: Machine) -> None:
        for name, value in set_up(machine, tmp_path / "machine").items():
            monkeypatch.setenv(name, value)

    yield put
    detect.cache_clear()


@pytest.mark.parametrize(
    ("machine", "option", "capability", "facts"),
    [
        (T4, "t4", (7, 5), {"power_limit_w": 70.0, "max_sm_clock_mhz": 1590.0, "mig_mode": None}),
        (V100, "v100", (7, 0), {"power_limit_w": 300.0, "application_sm_clock_mhz": 1290.0}),
        (H100_PCIE, "h100_pcie", (9, 0), {"power_limit_w": 350.0, "mig_mode": "Disabled"}),
        (CORRUPT_INFOROM, "t4", (7, 5), {"power_limit_w": 70.0, "driver": "535.183.01"}),
        (OLD_DRIVER, "v100", None, {"driver": "418.87.01", "mig_mode": None}),
        (EXCLUSIVE, "v100", (7, 0), {"compute_mode": "Exclusive_Process"}),
        (A100_DIVIDED_AND_WHOLE, "a100", (8, 0), {"mig_mode": "Disabled", "driver": "525.105.17"}),
    ],
    ids=["t4", "v100", "h100 pcie", "corrupt infoROM", "old driver", "exclusive", "one of two"],
)  # fmt: skip
def test_a_gpu_is_found_with_its_limits(
    enter: Enter,
    machine: Machine,
    option: str,
    capability: tuple[int, int] | None,
    facts: dict[str, Any],
) -> None:
    enter(machine)
    assert detected_gpu() == option
    assert present_capability() == capability
    (device,) = cuda_devices()
    found = gpu_facts(device.uuid, {**SETTINGS, **INSTANCE})
    assert {name: found[name] for name in facts} == facts
    assert found["uuid"] == device.uuid
    assert foreign_processes(device) == []


@pytest.mark.parametrize(
    ("machine", "selection", "words"),
    [
        (A100_DIVIDED, None, "GPU 0 (NVIDIA A100-SXM4-40GB) is in MIG mode"),
        (A100_DIVIDED, SLICE, "MIG slices are not supported; select a whole GPU"),
        (A100_DIVIDED_AND_WHOLE, "0", "GPU 0 (NVIDIA A100-SXM4-40GB) is in MIG mode"),
        (UPDATED_DRIVER, None, "Driver/library version mismatch"),
    ],
    ids=["divided", "a slice", "the divided one of two", "updated driver"],
)
def test_a_gpu_that_cannot_be_measured_is_refused_and_never_the_cpu(
    enter: Enter,
    monkeypatch: pytest.MonkeyPatch,
    machine: Machine,
    selection: str | None,
    words: str,
) -> None:
    enter(machine)
    if selection is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", selection)
    assert cuda_devices() == ()
    with pytest.raises(ConfigError) as refused:
        detected_gpu()
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_others_that_compute_there_are_named(enter: Enter) -> None:
    enter(BUSY)
    (device,) = cuda_devices()
    assert foreign_processes(device) == [
        "python3 (process 4242)",
        "/usr/bin/tritonserver (process 4311)",
    ]


@pytest.mark.parametrize(
    ("machine", "why"),
    [(V100, None), (EXCLUSIVE, "the GPU's compute mode is Exclusive_Process")],
    ids=["default", "exclusive"],
)
def test_tests_that_need_a_second_process_know_the_compute_mode(
    enter: Enter, machine: Machine, why: str | None
) -> None:
    enter(machine)
    assert why_no_second_process() == why


def telemetry_of(machine: Machine, folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """One reading of the machine's first GPU, and the notes on what is missing."""
    set_up(machine, folder)
    program = """
import json, sys
sys.path.insert(0, sys.argv[1])
from sd_bench.measurement.telemetry_process import add_gpu, read
gauges, counters, notes = {}, {}, {}
add_gpu(sys.argv[2], sys.argv[1], gauges, counters, notes)
print(json.dumps([{**read(gauges, notes), **read(counters, notes)}, notes]))
"""
    command = [sys.executable, "-c", program, str(folder), machine.gpus[0].uuid]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    values, notes = json.loads(answer.stdout)
    return values, notes


@pytest.mark.parametrize(
    ("machine", "lacks", "noted"),
    [
        (T4, set(), set()),
        (H100_PCIE, set(), set()),
        (OLD_DRIVER, set(), {"power_w"}),
        (A100_DIVIDED,
         {"gpu_utilisation_percent", "memory_utilisation_percent"},
         {"gpu_utilisation_percent", "memory_utilisation_percent"}),
    ],
    ids=["t4", "h100 pcie", "old driver", "divided a100"],
)  # fmt: skip
def test_telemetry_has_what_the_driver_tells_and_notes_the_rest(
    tmp_path: Path, machine: Machine, lacks: set[str], noted: set[str]
) -> None:
    values, notes = telemetry_of(machine, tmp_path)
    everything = {
        "sm_clock_mhz", "memory_clock_mhz", "temperature_c", "power_w", "gpu_utilisation_percent",
        "memory_utilisation_percent", "clock_event_reasons", "other_processes", "joules",
    }  # fmt: skip
    assert values.keys() - {"at"} == everything - lacks
    assert notes.keys() == noted
    fields = machine.gpus[0].fields
    assert values["power_w"] == float(fields["power.draw"])
    assert values["sm_clock_mhz"] == float(fields["clocks.current.sm"])
    assert values["clock_event_reasons"] == 1  # idle, by the new name or the old


def test_without_nvml_there_is_one_note_and_no_reading(tmp_path: Path) -> None:
    values, notes = telemetry_of(UPDATED_DRIVER, tmp_path)
    assert values.keys() == {"at"}
    assert notes == {"gpu": "NVMLError: 18"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("machine", "gpu", "code", "words"),
    [
        (CORRUPT_INFOROM, "t4", 0, "| yes "),
        (CORRUPT_INFOROM, "v100", 2, "the device here is 'Tesla T4'; use gpu=t4"),
        (A100_DIVIDED, "a100", 2, "is in MIG mode, and slices are not supported"),
    ],
    ids=["corrupt infoROM", "another", "divided"],
)
def test_the_command_answers_on_such_a_machine(
    tmp_path: Path, machine: Machine, gpu: str, code: int, words: str
) -> None:
    """In a dry run; since a missing GPU would be refused, it names the first one."""
    environment = {**os.environ, **set_up(machine, tmp_path)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    command = [sys.executable, "-m", "sd_bench", f"gpu={gpu}", "model_version=sd2_tiny"]
    answer = subprocess.run(
        [*command, "dry_run=true"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=100, env=environment,
    )  # fmt: skip
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert words in (answer.stdout if code == 0 else answer.stderr)
    if code:
        (line,) = answer.stderr.splitlines()
        assert line.startswith(f"sd_bench: gpu={gpu}: ")
