"""TFLOP/s and shares of a cell, worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from analysis import load_records, summarise
from analysis.ingest.rows import CellRow
from analysis.rows import list_rows
from sd_bench.records import Flops, MatmulRate, Profile
from tests.support.records import sample_environment, sample_record, write_sample

WORK = Flops(unet_call=2e12, text_encode=1e12, vae_decode=1e12, iteration=10e12)
RATE = MatmulRate(dtype="float16", size=4096, flop_per_s=20e12)
GPU = {"gpu": {"peak_tflops": {"fp16": 50.0}}}


def one_cell(root: Path, *runtimes_s: float, **record: Any) -> CellRow:
    """Only the first round has the counted work, as in real sweeps."""
    for at, runtime_s in enumerate(runtimes_s):
        extra = {"flops": WORK, "matmul_rate": RATE} if at == 0 else {}
        extra |= record.get("extra", {})
        given = {**record, "extra": extra, "round_index": at, "precision": "autocast"}
        write_sample(root, sample_record(runtime_s, **given))
    (cell,) = list_rows(summarise(load_records(root)), CellRow)
    return cell


def test_work_of_the_first_round_over_the_time_of_all(tmp_path: Path) -> None:
    cell = one_cell(tmp_path, 1.0, 3.0, config=GPU)
    assert cell["tflop_per_s"] == pytest.approx(5.0)  # 10 TFLOP in 2 s
    assert cell["text_encode_tflop_per_s"] == pytest.approx(1 / 0.2)
    assert cell["denoise_tflop_per_s"] == pytest.approx(8 / 1.6)
    assert cell["vae_decode_tflop_per_s"] == pytest.approx(1 / 0.2)
    assert cell["matmul_tflop_per_s"] == pytest.approx(20.0)
    assert cell["matmul_percent"] == pytest.approx(25.0)
    assert cell["peak_percent"] == pytest.approx(10.0)
    assert math.isnan(cell["gpu_idle_percent"])


def test_unknown_values_are_not_numbers(tmp_path: Path) -> None:
    cell = one_cell(tmp_path, 1.0, extra={"flops": None, "matmul_rate": None})
    names = ("tflop_per_s", "denoise_tflop_per_s", "matmul_percent", "peak_percent")
    assert all(math.isnan(cell[name]) for name in names)


@pytest.mark.parametrize(("kind", "idle"), [("cuda", 15.0), ("cpu", math.nan)])
def test_only_a_gpu_is_idle(tmp_path: Path, kind: str, idle: float) -> None:
    profile = Profile(trace_file=None, step_s=0.2, seconds_by_class={"gemm": 0.17, "idle": 0.03})
    environment = sample_environment() | {"device": {"name": "A100", "kind": kind}}
    cell = one_cell(tmp_path, 1.0, environment=environment, extra={"profile": profile})
    assert cell["gpu_idle_percent"] == pytest.approx(idle, nan_ok=True)
