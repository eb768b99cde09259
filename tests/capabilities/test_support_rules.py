"""What cannot run where, and why."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import pytest

from sd_bench.capabilities.support_rules import (
    Host,
    has_c_compiler,
    has_cpp_compiler,
    unsupported_reason,
    with_stand_ins,
)  # fmt: skip
from tests.support.composition import Compose


def host(
    kind: str = "cuda",
    capability: str = "8.0",
    torch: str = "2.5",
    packages: frozenset[str] = frozenset(),
    **facts: Any,
) -> Host:
    def pair(version: str) -> tuple[int, int]:
        major, minor = version.split(".")
        return int(major), int(minor)

    known = Host(
        kind=kind,
        capability=pair(capability) if kind == "cuda" else None,
        torch=pair(torch),
        has_xformers=True,
        has_compiler=True,
        packages=packages,
    )
    return dataclasses.replace(known, **facts)


@pytest.mark.parametrize(
    ("overrides", "where", "words"),
    [
        ("attention=flash", host(), None),
        ("attention=flash", host(capability="7.5"), "needs compute capability 8.0"),
        ("attention=flash", host(capability="7.5", torch="2.0"), None),
        ("attention=flash", host(capability="7.0", torch="2.0"), "needs compute capability 7.5"),
        ("attention=flash precision=fp32", host(), "not in fp32"),
        ("attention=math precision=fp32", host(), None),
        ("attention.upcast=true", host(torch="2.4"), "in fp32 from PyTorch 2.5 on"),
        ("attention.upcast=true", host(torch="2.5"), None),
        ("attention.upcast=false", host(torch="2.4"), None),
        ("attention=cudnn", host(torch="2.4"), "cuDNN attention needs PyTorch 2.5"),
        ("attention=cudnn", host(capability="7.0"), "needs compute capability 8.0"),
        ("attention=cudnn", host(), None),
        ("attention=cudnn model_version=sd1", host(), "heads up to 128 wide below"),
        ("attention=cudnn model_version=sd1", host(capability="8.9"), "heads up to 128 wide below"),
        ("attention=cudnn model_version=sd1", host(capability="9.0"), None),
        ("attention=flash model_version=sd1", host(torch="2.1"), "FlashAttention-1"),
        ("attention=flash model_version=sd1", host(torch="2.2"), None),
        ("attention=flash model_version=sd1", host("cpu", torch="2.1"), None),
        ("attention=flash", host(torch="2.1"), None),
        ("attention=mem_efficient", host(capability="6.0"), None),
        ("attention=mem_efficient", host("cpu"), "needs a CUDA device"),
        ("attention=xformers", host(), None),
        ("attention=xformers", host(has_xformers=False), "pip install 'sd_bench[xformers]'"),
        ("attention=xformers", host("cpu"), "no attention operator for the CPU"),
        ("attention=flash", host(torch="1.12"), "no scaled_dot_product_attention"),
        ("attention=math", host(torch="1.12", capability="7.0"), None),
        (
            "attention=original",
            host(torch="1.12", capability="9.0"),
            "none for compute capability 9.0: no wheel of PyTorch 1.12 has",
        ),
        ("compile=default", host(has_c_compiler=False), "needs a C compiler"),
        ("attention=math", host(has_c_compiler=False), None),
        ("attention=flash", host("cpu", torch="2.0"), "needs PyTorch 2.1"),
        ("attention=flash", host("cpu", torch="2.1"), None),
        ("precision=autocast", host("cpu", torch="1.12"), None),
        ("precision=autocast", host("cpu", torch="2.0"), "cannot autocast attention"),
        ("precision=autocast", host("cpu", torch="2.1"), None),
        ("precision=autocast", host(torch="2.0"), None),
        ("compile=default", host(torch="1.12", capability="7.0"), "torch.compile needs PyTorch 2"),
        ("compile=default", host(capability="6.0"), "needs compute capability 7.0"),
        ("compile=default", host("cpu", has_compiler=False), "install g++"),
        ("precision=bf16", host(capability="7.5"), "bf16 needs compute capability 8.0"),
        ("precision=fp16", host("cpu", torch="1.12"), "fp16 on a CPU needs PyTorch 2.2"),
    ],
)
def test_a_cell_that_cannot_run_has_its_reason(
    compose_config: Compose, overrides: str, where: Host, words: str | None
) -> None:
    config = compose_config("gpu=a100", "attention=math", *overrides.split())
    reason = unsupported_reason(config, where)
    assert (reason is None) if words is None else (reason is not None and words in reason)


def test_the_original_code_stands_in_for_itself_on_newer_devices() -> None:
    names = "original_no_xformers,original_xformers,optimized"
    both = (
        "original_no_xformers,original_no_xformers_pt2,"
        "original_xformers,original_xformers_pt2,optimized"
    )
    assert with_stand_ins("original_no_xformers,original,optimized", (9, 0)) == both  # old word
    assert with_stand_ins(names, None) == names
    assert with_stand_ins(names, (8, 6)) == names
    assert with_stand_ins(names, (8, 9)) == both
    assert with_stand_ins(names, (9, 0)) == both


def test_before_pytorch_2_auto_is_the_one_attention_there_is(compose_config: Compose) -> None:
    old = host(kind="cpu", torch="1.12")
    assert unsupported_reason(compose_config("attention=auto"), old) is None
    without_flash = compose_config("attention=auto", "attention.disable_flash=true")
    assert "no attention backends to switch off" in str(unsupported_reason(without_flash, old))
    assert unsupported_reason(without_flash, host(kind="cpu")) is None


@pytest.mark.parametrize("named", ["/no/such/compiler", "no-such-compiler"])
def test_a_compiler_that_is_named_must_be_there(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("CC", named)
    monkeypatch.setenv("CXX", named)
    assert not has_c_compiler()
    assert not has_cpp_compiler()
    monkeypatch.setenv("CC", sys.executable)
    monkeypatch.setenv("CXX", sys.executable)
    assert has_c_compiler()
    assert has_cpp_compiler()
