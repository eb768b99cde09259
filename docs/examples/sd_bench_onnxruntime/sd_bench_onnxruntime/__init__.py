"""ONNX Runtime as an implementation of sd_bench: what the launcher reads, without torch."""

from __future__ import annotations

from sd_bench.capabilities.implementations import Entry
from sd_bench.capabilities.support_rules import Host
from sd_bench.config.schema import Config


def why_not(config: Config, host: Host) -> str | None:
    """Why this package cannot run the cell, or None."""
    if host.kind != "cpu":
        return "onnxruntime is used on a CPU here: needs gpu=cpu"
    if config.precision.name != "fp32":
        return "onnxruntime runs the exported fp32 networks: needs precision=fp32"
    if config.attention.backend != "auto":
        return "onnxruntime uses its own attention: needs attention=auto"
    if config.compile.mode != "off" or config.optimizations.names:
        return "onnxruntime optimizes by itself: needs compile=off and optimizations=none"
    return None


ENTRY = Entry(
    name="onnxruntime",
    factory="sd_bench_onnxruntime.networks:OnnxRuntime",
    packages=("sd_bench_onnxruntime", "onnxruntime", "onnx", "onnxscript"),
    install="pip install sd_bench_onnxruntime",
    why_not=why_not,
    conf="pkg://sd_bench_onnxruntime.conf",
)
