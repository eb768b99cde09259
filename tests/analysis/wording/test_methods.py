"""The paragraph for a methods section: every sentence comes from the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.comparison.deltas import compare
from analysis.ingest.cells import summarise
from analysis.ingest.rounds import load_records
from analysis.ingest.settings import read_settings
from analysis.wording.methods import describe_methods
from tests.support.records import sample_environment, sample_record, write_sample, write_sweep

GPU: dict[str, Any] = {
    **sample_environment(device="NVIDIA H100 80GB HBM3", torch="2.15.0+cu130"),
    "device": {
        "name": "NVIDIA H100 80GB HBM3",
        "kind": "cuda",
        "memory_bytes": 80 * 2**30,
        "driver": "580.1",
    },
    "cuda": "13.0",
    "processor": {"name": "AMD EPYC", "cores": 16},
    "host": {"memory_bytes": 128 * 2**30, "kernel": "6.18.4"},
    "packages": {"sd_bench": "0.1.0"},
    "worker": {"kind": "spawn"},
}


def methods_of(folder: Path) -> str:
    rounds = load_records(folder)
    deltas = compare(summarise(rounds))
    return " ".join(describe_methods(rounds, deltas, read_settings(rounds)))


def test_machine_versions_and_protocol_are_those_of_the_records(tmp_path: Path) -> None:
    seconds = {(1, name): [mean_s + 0.001 * at for at in range(6)]
               for name, mean_s in (("math", 3.0), ("flash", 2.0))}  # fmt: skip
    write_sweep(tmp_path, seconds, environment=GPU)
    text = methods_of(tmp_path)
    assert (
        "Measurements were made on NVIDIA H100 80GB HBM3 (80 GiB of device memory, driver 580.1, "
        "host processor AMD EPYC, 16 cores, 128 GiB of host memory), with PyTorch 2.15.0+cu130 "
        "(CUDA 13.0), Python 3.11.7 and Linux 6.18.4; sd_bench 0.1.0, commit 0123456789."
    ) in text
    assert "They were made on 2026-11-23 (UTC), in 1 sweep." in text
    assert "model sd2, random weights, 128x128 pixels, 4 steps, sampler plms" in text
    assert "2 cells were measured, which differ in attention (attention: math, flash)." in text
    assert "Each cell was measured in 6 rounds, each in a process that was started for it." in text
    assert "one timed iteration, warm-up left out (1 whole iteration untimed before)." in text
    assert "was begun before the next round of any" in text
    assert "is proven for 2 of 2 cells." in text
    assert "1 of 1 compared cells lie within the tolerance." in text
    assert "Baseline: attention=math" in text
    assert "Speed-ups (1 comparison, paired round by round)" in text
    assert "within 1 % of equal" in text


def test_what_the_records_do_not_hold_is_not_claimed(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(2.0, proven=False, latents_file=None))
    text = methods_of(tmp_path)
    for word in ("process", "interleaved", "proven", "Outputs", "Speed-ups", "cores", "Linux"):
        assert word not in text
    assert "seed" not in text
    assert "Each cell was measured in 1 round." in text


def test_what_the_records_do_not_agree_on_is_not_claimed(tmp_path: Path) -> None:
    for number, kind in enumerate(("spawn", "fork")):
        environment = {**GPU, "worker": {"kind": kind}}
        write_sample(tmp_path, sample_record(2.0, round_index=number, environment=environment))
    assert "process that was started" not in methods_of(tmp_path)
    assert "forked" not in methods_of(tmp_path)


def test_rounds_of_one_cell_after_those_of_another_are_not_interleaved(tmp_path: Path) -> None:
    for second, (name, number) in enumerate((n, r) for n in ("math", "flash") for r in (0, 1)):
        began = f"2026-11-23T10:00:{second:02d}+00:00"
        write_sample(
            tmp_path, sample_record(2.0, attention=name, round_index=number, started_at=began)
        )
    assert "interleaved" not in methods_of(tmp_path)


def test_without_a_measured_cell_there_is_no_paragraph(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(status="failed", reason="broken"))
    assert methods_of(tmp_path) == ""
