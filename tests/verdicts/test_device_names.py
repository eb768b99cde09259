"""Devices have the names that people use."""

from __future__ import annotations

import pytest

from sd_bench.verdicts.device_names import UNKNOWN, name_device


@pytest.mark.parametrize(
    ("gpu", "device", "name"),
    [
        ("cpu", "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "Xeon Platinum 8481C"),
        ("cpu", "Intel(R) Xeon(R) Processor", "Xeon Processor"),
        ("cpu", "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz", "Core i7-8550U"),
        ("cpu", "AMD EPYC 7B13 64-Core Processor", "EPYC 7B13"),
        ("cpu", "AMD EPYC 9R14", "EPYC 9R14"),
        ("cpu", "Apple M2", "Apple M2"),
        ("cpu", "Intel", "Intel"),
        ("cpu", UNKNOWN, "CPU"),
        ("h100", "NVIDIA H100 80GB HBM3", "H100"),
        ("rtx_3090", "NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("a10", UNKNOWN, "A10"),
        ("rtx_2080", UNKNOWN, "RTX 2080"),
        ("cuda", "NVIDIA GeForce RTX 2060", "RTX 2060"),
        ("cuda", "Tesla K80", "K80"),
        ("cuda", UNKNOWN, "GPU"),
        (UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_the_short_name_of_a_device(gpu: str, device: str, name: str) -> None:
    assert name_device(gpu, device) == name
