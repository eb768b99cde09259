"""The rate of a machine's matrix product."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from sd_bench.measurement.matmul_rate import matmul_rate, measure_matmul_rate

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_rate_is_no_less_than_that_of_a_plain_product(dtype: torch.dtype) -> None:
    begin = time.perf_counter()
    found = measure_matmul_rate(CPU, dtype, limit_s=0.3)
    took_s = time.perf_counter() - begin
    assert found is not None
    assert found.dtype == str(dtype).removeprefix("torch.")
    assert took_s < 3.0
    matrix = torch.ones(256, 256, dtype=dtype)
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - begin)
    # generous: other processes may use the cores
    assert found.flop_per_s > 0.2 * 2 * 256**3 / min(seconds)
    assert found.flop_per_s < 1e14


def test_a_dtype_without_products_has_no_rate() -> None:
    assert measure_matmul_rate(CPU, torch.bool, limit_s=0.1) is None


def test_it_is_measured_once_for_each_environment_and_dtype(tmp_path: Path) -> None:
    first = matmul_rate(CPU, torch.float32, tmp_path, "f00d", 0.1)
    assert first is not None
    (file,) = tmp_path.iterdir()
    assert matmul_rate(CPU, torch.float32, tmp_path, "f00d", 0.1) == first
    assert list(tmp_path.iterdir()) == [file]
    matmul_rate(CPU, torch.float32, tmp_path, "beef", 0.1)
    matmul_rate(CPU, torch.bfloat16, tmp_path, "f00d", 0.1)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_torn_file_is_measured_again(tmp_path: Path) -> None:
    matmul_rate(CPU, torch.float32, tmp_path, "f00d", 0.1)
    (file,) = tmp_path.iterdir()
    for text in ("{", "[]", '{"dtype": "float32"}'):
        file.write_text(text)
        found = matmul_rate(CPU, torch.float32, tmp_path, "f00d", 0.1)
        assert found is not None
        assert str(found.size) in file.read_text()
