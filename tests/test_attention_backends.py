"""The table of attention backends: one entry per backend, and its file."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from sd_bench.attention_backends import (
    BACKENDS,
    BACKENDS_BY_NAME,
    AttentionBackend,
    measured_facts,
)
from sd_bench.capabilities.torch_features import SINCE
from sd_bench.config.schema import ATTENTION_BACKENDS, SDPA_BACKENDS, AttentionConfig
from sd_bench.paths import CONF_DIR
from tests.support.runnable import CPU_BACKENDS


def test_every_backend_has_an_entry_and_a_file() -> None:
    files = (CONF_DIR / "attention").glob("*.yaml")
    options = {yaml.safe_load(file.read_text(encoding="utf-8"))["backend"] for file in files}
    assert options == BACKENDS_BY_NAME.keys()
    assert len(BACKENDS) == len(BACKENDS_BY_NAME)


def test_the_schema_knows_the_backends_of_the_table() -> None:
    assert tuple(BACKENDS_BY_NAME) == ATTENTION_BACKENDS
    assert {"original", "xformers", "auto"}.isdisjoint(SDPA_BACKENDS)
    assert {"math", "mem_efficient", "flash", "cudnn"} <= {*SDPA_BACKENDS}
    for backend in BACKENDS:
        config = AttentionConfig(backend=backend.name)
        assert config.uses_multihead_attention is (backend.module == "MultiheadAttention")
        assert config.may_be_unfused is backend.may_be_unfused


def test_no_two_backends_share_what_distinguishes_them() -> None:
    for name in ("label", "colour"):
        assert len({getattr(backend, name) for backend in BACKENDS}) == len(BACKENDS)
    operators = [operator for backend in BACKENDS for operator in backend.operators]
    operators += [kernel.operator for backend in BACKENDS for kernel in backend.kernels]
    assert len(set(operators)) == len(operators)


def test_what_is_fused_has_operators_that_prove_it() -> None:
    for backend in BACKENDS:
        if not backend.may_be_unfused:
            assert backend.operators or backend.kernels
    with pytest.raises(ValueError, match="attention=new: its entry has neither kernels= nor"):
        AttentionBackend(name="new", colour="#000000", module="CrossAttention")


def test_what_needs_nothing_is_tested_on_every_cpu() -> None:
    needs_nothing = {backend.name for backend in BACKENDS if not backend.needs} - {"auto"}
    assert needs_nothing <= {*CPU_BACKENDS}, "add it to tests/support/runnable.py"


def test_every_need_names_one_thing_and_known_features() -> None:
    for need in (need for backend in BACKENDS for need in backend.needs):
        wanted = (
            need.runs_on,
            need.feature,
            need.capability,
            need.package,
            need.precisions,
            need.head_width,
        )
        assert sum(value is not None for value in wanted) == 1, need
        assert {need.feature, need.since, need.before} - {None} <= SINCE.keys()


def test_a_backend_of_sdpa_with_a_flag_can_be_switched_off() -> None:
    flags = {field.name for field in dataclasses.fields(AttentionConfig)}
    named = [name for name in SDPA_BACKENDS if f"disable_{name}" in flags]
    assert {"math", "mem_efficient", "flash", "cudnn"} <= {*named}
    for name in named:
        config = AttentionConfig(backend="auto", **{f"disable_{name}": True})
        assert config.allowed_sdpa_backends == tuple(b for b in SDPA_BACKENDS if b != name)


def test_a_colour_does_not_affect_what_is_measured() -> None:
    facts = measured_facts()
    assert all(operator in facts for backend in BACKENDS for operator in backend.operators)
    assert not any(backend.colour in facts for backend in BACKENDS)


def test_unfused_are_those_that_never_call_one_fused_kernel() -> None:
    unfused = {backend.name for backend in BACKENDS if backend.is_unfused}
    assert {"original", "math"} <= unfused
    assert unfused.isdisjoint({"flash", "xformers", "auto"})  # auto may choose math, or another
