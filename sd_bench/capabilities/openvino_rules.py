"""The cells that OpenVINO cannot run, and why; does not import OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sd_bench.capabilities.devices import cpu_flags
from sd_bench.config.schema import Config

if TYPE_CHECKING:
    from sd_bench.capabilities.support_rules import Host

#: Its CPU plugin computes in bf16 if the processor has one of these, else in fp32.
_BF16_FLAGS = {"avx512bw", "avx512_bf16", "amx_bf16", "avx_ne_convert"}

_RULES: tuple[tuple[Callable[[Config], bool], str], ...] = (
    (lambda c: c.gpu.kind != "cpu", "openvino is measured on a CPU only: needs gpu=cpu"),
    (
        lambda c: c.attention.backend != "auto" or bool(c.attention.disabled),
        "openvino uses its own attention: needs attention=auto, with no backend disabled",
    ),
    (
        lambda c: c.attention.upcast is not None,
        "openvino uses its own attention: needs attention.upcast=null",
    ),
    (lambda c: c.compile.mode != "off", "openvino has its own compiler: needs compile=off"),
    (
        lambda c: bool(c.optimizations.names),
        "openvino cannot use PyTorch's optimizations: needs optimizations=none",
    ),
    (
        lambda c: c.model_version.unet.use_checkpoint,
        "activation checkpointing is a PyTorch feature: openvino needs "
        "model_version.unet.use_checkpoint=false",
    ),
    (
        lambda c: c.precision.name == "fp16",
        "openvino on a CPU is measured in fp32 and bf16, not in fp16, which few processors "
        "support: needs precision=fp32 or bf16",
    ),
    (
        lambda c: c.precision.name == "autocast",
        "autocast is a PyTorch feature, openvino computes in a single precision: needs "
        "precision=fp32 or bf16",
    ),
    (
        lambda c: c.precision.name == "bf16" and not _BF16_FLAGS & cpu_flags(),
        "openvino computes in bf16 on processors with AVX-512 or AVX-NE-CONVERT, and in fp32 on "
        "this one: needs precision=fp32",
    ),
)


def why_openvino_cannot(config: Config, host: Host) -> str | None:
    """Why OpenVINO cannot run the cell here, or None."""
    return next((reason for applies, reason in _RULES if applies(config)), None)
