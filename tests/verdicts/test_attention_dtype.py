"""What math attention computed in, from a record alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from sd_bench.records import KernelProof, Record
from sd_bench.verdicts.attention_dtype import attention_dtype, name_attention
from tests.support.records import sample_environment, sample_record

MATH = "aten::_scaled_dot_product_attention_math"


def a_record(
    torch: str = "2.15.0", in_half: bool | None = False, kind: str = "cuda", **choices: Any
) -> Record:
    settings = {} if in_half is None else {"math_attention_reduces_in_half": in_half}
    environment = sample_environment(torch=torch)
    environment |= {"settings": settings, "device": {"name": "any", "kind": kind}}
    return sample_record(1.0, environment=environment, **{"attention": "math"} | choices)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (a_record(precision="fp32"), ""),
        (a_record(precision="bf16"), "fp32 inside"),
        (a_record(precision="bf16", in_half=True), "bf16"),
        (a_record(precision="fp16", upcast="false"), "fp16"),
        (a_record(precision="fp16", upcast="true", in_half=True), "fp32 inside"),
        (a_record(precision="autocast", upcast="false"), "fp16"),
        (a_record(precision="autocast", upcast="false", kind="cpu"), "bf16"),
        (a_record(precision="autocast", kind="cpu"), "fp32 inside"),
        (a_record(precision="fp16", torch="1.12.1+cu116", in_half=True, upcast="true"), "fp16"),
        # records from before the setting was in them
        (a_record(precision="bf16", torch="2.4.1", in_half=None), "bf16"),
        (a_record(precision="bf16", torch="2.5.0", in_half=None, upcast=None), "fp32 inside"),
        (a_record(precision="bf16", torch="unknown", in_half=None), ""),
        (a_record(precision="bf16", attention="flash"), ""),
        (a_record(precision="bf16", attention="original", upcast="true"), ""),
    ],
)
def test_math_in_half_precision_says_what_it_computes_in(record: Record, expected: str) -> None:
    assert attention_dtype(record) == expected


@pytest.mark.parametrize(
    ("operators", "detail", "expected"),
    [
        ({MATH: 32}, "32 math for 32 modules", "fp32 inside"),
        ({}, "32 math for 32 modules", "fp32 inside"),  # compiled: it leaves its products behind
        ({}, "31 flash, 1 math for 32 modules", "fp32 inside"),
        ({"aten::_scaled_dot_product_flash_attention": 32}, "32 flash for 32 modules", ""),
    ],
)
def test_auto_that_fell_to_math_says_so_too(
    operators: dict[str, int], detail: str, expected: str
) -> None:
    proof = KernelProof(
        expected="auto", proven=True, detail=detail, num_attention_modules=32,
        operators=operators, kernels={},
    )  # fmt: skip
    record = structs.replace(a_record(precision="bf16", attention="auto"), kernel_proof=proof)
    assert attention_dtype(record) == expected


def test_a_record_of_nonsense_has_no_words() -> None:
    broken = {"torch": 3, "device": [], "settings": "no"}
    record = structs.replace(a_record(precision="autocast"), environment=broken)
    assert attention_dtype(record) == ""


def test_the_words_stand_behind_the_name() -> None:
    assert name_attention("math", "bf16") == "math (bf16)"
    assert name_attention("flash", "") == "flash"
