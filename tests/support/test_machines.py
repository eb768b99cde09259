"""The fake machines answer the queries of sd_bench like the real programs."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sd_bench.capabilities.devices import detected_gpu
from sd_bench.capabilities.nvidia_driver import cuda_devices, detect, foreign_processes
from sd_bench.measurement.gpu_facts import INSTANCE, SETTINGS, gpu_facts
from tests.support.machines import H100_SXM, Machine, set_up


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    detect.cache_clear()
    yield
    detect.cache_clear()


def enter(machine: Machine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name, value in set_up(machine, folder).items():
        monkeypatch.setenv(name, value)


def test_sd_bench_finds_an_h100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(H100_SXM, tmp_path, monkeypatch)
    (device,) = cuda_devices()
    assert (device.name, device.compute_capability) == ("NVIDIA H100 80GB HBM3", "9.0")
    assert detected_gpu() == "h100"
    facts = gpu_facts(device.uuid, {**SETTINGS, **INSTANCE})
    assert (facts["power_limit_w"], facts["mig_mode"]) == (700.0, "Disabled")
    assert facts["compute_mode"] == "Default"
    assert facts["application_sm_clock_mhz"] is None
    assert facts["uuid"] == device.uuid
    assert foreign_processes(device) == []


def test_processes_that_compute_on_it_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = dataclasses.replace(H100_SXM, computing=((7, "python"),))
    enter(busy, tmp_path, monkeypatch)
    assert foreign_processes(cuda_devices()[0]) == ["python (process 7)"]


def test_its_nvidia_smi_refuses_what_the_real_one_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(H100_SXM, tmp_path, monkeypatch)
    program = shutil.which("nvidia-smi", path=os.environ["PATH"])
    assert program == str(tmp_path / "nvidia-smi")
    lists = subprocess.run([program, "-L"], capture_output=True, text=True)
    assert lists.stdout.startswith("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-")
    for wrong, code in (["--id=GPU-none", "-L"], 6), (["--query-gpu=name"], 2):
        assert subprocess.run([program, *wrong], capture_output=True).returncode == code


def test_its_nvml_has_all_that_the_telemetry_reads(tmp_path: Path) -> None:
    set_up(H100_SXM, tmp_path)
    program = """
import json, sys
sys.path.insert(0, sys.argv[1])
from sd_bench.measurement.telemetry_process import add_gpu, read
gauges, counters, notes = {}, {}, {}
add_gpu(sys.argv[2], sys.argv[1], gauges, counters, notes)
print(json.dumps([read(gauges, notes), read(counters, notes), notes]))
"""
    command = [sys.executable, "-c", program, str(tmp_path), H100_SXM.gpus[0].uuid]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    gauges, counters, notes = json.loads(answer.stdout)
    assert notes == {}
    assert (gauges["power_w"], gauges["sm_clock_mhz"]) == (70.0, 345)
    assert counters["joules"] > 0


@pytest.mark.parametrize("with_nvml", [True, False])
def test_a_process_that_is_told_of_others_names_them_by_either_way(
    tmp_path: Path, with_nvml: bool
) -> None:
    busy = dataclasses.replace(H100_SXM, computing=((7, "python"),))
    environment = {**os.environ, **set_up(busy, tmp_path)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if not with_nvml:
        (tmp_path / "pynvml.py").write_text("raise ImportError\n")
    program = (
        "from sd_bench.capabilities.nvidia_driver import cuda_devices, foreign_processes\n"
        "print(foreign_processes(cuda_devices()[0]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert answer.stdout == "['python (process 7)']\n", answer.stderr
