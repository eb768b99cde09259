"""The environment: its facts, and which of them are in its fingerprint."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from sd_bench.measurement import environment_facts
from sd_bench.measurement.environment_facts import describe_environment
from sd_bench.measurement.gpu_facts import INSTANCE, SETTINGS, gpu_facts, parse_facts

CPU = torch.device("cpu")


def test_the_fingerprint_holds_what_changes_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = describe_environment(CPU)
    assert first["torch"] == torch.__version__
    assert describe_environment(CPU)["fingerprint"] == first["fingerprint"]
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/somewhere/else")
    assert describe_environment(CPU)["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize(
    "variable",
    ["OMP_PROC_BIND", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY",
     "OPENBLAS_NUM_THREADS", "GLIBC_TUNABLES", "LD_LIBRARY_PATH", "PYTORCH_CUDA_ALLOC_CONF"],
)  # fmt: skip
def test_a_variable_that_changes_times_changes_the_fingerprint(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONEDNN_MAX_CPU_ISA alone makes a matrix product in bf16 hundreds of times slower."""
    first = describe_environment(CPU)
    monkeypatch.setenv(variable, "something/else")
    assert describe_environment(CPU)["fingerprint"] != first["fingerprint"]


def test_the_fingerprint_leaves_out_which_of_several_equal_gpus_ran_and_the_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = describe_environment(CPU)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    second = describe_environment(CPU)
    assert second["fingerprint"] == first["fingerprint"]
    assert second["visible_devices"] == "3"
    assert second["host"]["load_average"] == [9.0, 9.0, 9.0]


def test_the_number_of_threads_is_recorded_but_not_in_the_fingerprint() -> None:
    """A choice may have set it: cells with different numbers are compared."""
    first, before = describe_environment(CPU), torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        second = describe_environment(CPU)
    finally:
        torch.set_num_threads(before)
    found = [facts["threads"]["intra_op"] for facts in (first, second)]
    assert found == [before, before + 1]
    assert second["fingerprint"] == first["fingerprint"]


def test_a_setting_of_torch_changes_the_fingerprint() -> None:
    first = describe_environment(CPU)
    before = torch.get_float32_matmul_precision()
    assert first["settings"]["float32_matmul_precision"] == before
    torch.set_float32_matmul_precision("high" if before != "high" else "highest")
    try:
        assert describe_environment(CPU)["fingerprint"] != first["fingerprint"]
    finally:
        torch.set_float32_matmul_precision(before)


def test_the_facts_of_this_machine_are_there_and_fit_into_json() -> None:
    facts = describe_environment(CPU)
    assert json.loads(json.dumps(facts)) == facts
    assert "PyTorch built with" in facts["torch_build"]
    assert facts["processor"]["cores"] == os.cpu_count()
    assert facts["host"]["memory_bytes"] > 1e9
    assert facts["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_what_nvidia_smi_prints_is_read_field_by_field() -> None:
    line = (
        "700.00, 1980, 2619, [Requested functionality has been deprecated], 2619, Enabled, [N/A], "
    )
    facts = parse_facts(line + "570.86.15\n", SETTINGS)
    assert facts == {
        "power_limit_w": 700.0, "max_sm_clock_mhz": 1980.0, "max_memory_clock_mhz": 2619.0,
        "application_sm_clock_mhz": None, "application_memory_clock_mhz": 2619.0,
        "ecc_mode": "Enabled", "mig_mode": None, "driver": "570.86.15",
    }  # fmt: skip


#: A driver that does not know MIG: it refuses any query that names it.
OLD_NVIDIA_SMI = """#!/bin/sh
case "$*" in *mig*) echo 'Field "mig.mode.current" is not a valid field to query.'; exit 2;; esac
echo "250.00, 1380, 877, 1245, 877, Enabled, 418.87"
"""


def test_an_old_driver_is_asked_again_without_what_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(OLD_NVIDIA_SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    facts = gpu_facts("GPU-1", SETTINGS)
    assert facts["mig_mode"] is None
    assert (facts["power_limit_w"], facts["ecc_mode"], facts["driver"]) == (
        250.0,
        "Enabled",
        "418.87",
    )


def test_without_nvidia_smi_every_fact_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert shutil.which("nvidia-smi") is None
    assert gpu_facts("GPU-1", INSTANCE) == dict.fromkeys(INSTANCE)


@pytest.mark.parametrize(
    ("given", "project"),
    [
        ("1a2b3c4 clean", {"git_commit": "1a2b3c4", "dirty": False}),
        ("1a2b3c4 changed", {"git_commit": "1a2b3c4", "dirty": True}),
        ("1a2b3c4", {"git_commit": "1a2b3c4", "dirty": None}),
        ("", {"git_commit": None, "dirty": None}),
    ],
)
def test_a_tree_without_its_repository_has_the_given_commit(
    given: str, project: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_facts, "PACKAGE_DIR", tmp_path / "sd_bench")
    monkeypatch.setenv("SD_BENCH_COMMIT", given)
    assert environment_facts._project() == project
