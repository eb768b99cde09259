"""The table of attention backends: one entry a backend, and its file."""

from __future__ import annotations

import yaml

from sd_bench.attention_backends import BACKENDS, BACKENDS_BY_NAME
from sd_bench.config import ATTENTION_BACKENDS, SDPA_BACKENDS, AttentionConfig
from sd_bench.paths import CONF_DIR


def test_every_backend_has_an_entry_and_a_file() -> None:
    files = (CONF_DIR / "attention").glob("*.yaml")
    options = {yaml.safe_load(file.read_text(encoding="utf-8"))["backend"] for file in files}
    assert options == BACKENDS_BY_NAME.keys()
    assert len(BACKENDS) == len(BACKENDS_BY_NAME)


def test_the_schema_knows_the_backends_of_the_table() -> None:
    assert (
        *("original", "xformers", "math", "mem_efficient", "flash", "cudnn", "auto"),
    ) == ATTENTION_BACKENDS
    assert SDPA_BACKENDS == ("math", "mem_efficient", "flash", "cudnn")
    for backend in BACKENDS:
        config = AttentionConfig(backend=backend.name)
        assert config.uses_multihead_attention is (backend.module == "MultiheadAttention")
        assert config.may_be_unfused is backend.may_be_unfused


def test_no_two_backends_share_what_tells_them_apart() -> None:
    for name in ("label", "colour"):
        assert len({getattr(backend, name) for backend in BACKENDS}) == len(BACKENDS)
    for name in ("operators", "kernel_marks"):
        marks = [mark for backend in BACKENDS for mark in getattr(backend, name)]
        assert len(set(marks)) == len(marks)


def test_what_is_fused_has_marks_of_its_operators_and_kernels() -> None:
    for backend in BACKENDS:
        if backend.sdpa_switch and not backend.may_be_unfused:
            assert backend.operators
            assert backend.kernel_marks
