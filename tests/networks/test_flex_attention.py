"""attention=flex: what it computes, that it is fused, and what it reports otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from sd_bench.capabilities.support_rules import has_cpp_compiler
from sd_bench.capabilities.torch_compat import COMPILED_APART, TORCH_VERSION, compile_counts
from sd_bench.capabilities.torch_features import can
from sd_bench.measurement.kernel_proof import judge, profile_call
from sd_bench.networks.attention import attention_factory
from tests.support.composition import Compose

CPU = torch.device("cpu")

pytestmark = [
    pytest.mark.skipif(
        not can(TORCH_VERSION, "flex attention on a CPU"),
        reason="flex_attention on a CPU needs PyTorch 2.6",
    ),
    pytest.mark.skipif(not has_cpp_compiler(), reason="needs g++"),
]


@pytest.fixture
def alone() -> Iterator[None]:
    """Other tests forget what was compiled in this process, so they must not subtract it."""
    yield
    COMPILED_APART.clear()


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_it_is_attention_by_one_operator_per_module_and_no_part_of_the_networks_counts(
    tiny: Compose,
) -> None:
    config = tiny("attention=flex")
    before = compile_counts()
    module = attention_factory(config.attention)(32, 32, 2).eval()
    plain = attention_factory(tiny("attention=original").attention)(32, 32, 2).eval()
    plain.load_state_dict(module.state_dict())
    image, prompt = torch.randn(2, 16, 32), torch.randn(2, 7, 32)
    with torch.no_grad():
        for context in (image, prompt):
            torch.testing.assert_close(module(image, context), plain(image, context))
        ran = profile_call(CPU, lambda: module(image, prompt))
    assert ran.operators["sd_bench::flex_attention"] == 1
    assert ran.operators["aten::bmm"] == ran.operators["aten::_softmax"] == 0
    for compiled in (False, True):
        proof = judge(ran, config.attention, 1, compiled, has_sdpa=True)
        assert (proof.proven, proof.detail) == (True, "1 flex for 1 modules")
    assert not judge(ran, tiny("attention=original").attention, 1, False, has_sdpa=True).proven
    assert compile_counts() == before


_SWITCHED_OFF = """
import torch
from sd_bench.networks.flex_attention import flex_core
q = torch.randn(1, 1, 4, 16)
with torch.no_grad():
    flex_core()(q, q, q)
"""


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE"])
def test_it_is_never_unfused_where_the_compiler_is_switched_off(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    done = subprocess.run([sys.executable, "-c", _SWITCHED_OFF], capture_output=True, text=True)
    assert done.returncode == 1
    assert "\nRuntimeError: torch.compile" in done.stderr
