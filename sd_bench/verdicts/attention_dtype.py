"""The dtype in which a cell's math attention computed, for the cell's name.

Since PyTorch 2.5 ``math`` by default computes fp16 and bf16 in fp32 internally.
"""

from __future__ import annotations

import re
from typing import Any

from sd_bench.attention_backends import BACKENDS_BY_NAME
from sd_bench.records import Record

_HALF = ("fp16", "bf16")
_AUTOCAST = {"cuda": "fp16", "cpu": "bf16"}
#: The first PyTorch whose math attention computes in fp32 internally by default.
_UPCASTS_SINCE = (2, 5)
#: How a kernel proof counts math attention: "32 math for 32 modules".
_SOME_MATH = re.compile(r"\b[1-9]\d* math\b")


def attention_dtype(record: Record) -> str:
    """What a half-precision cell's math attention computed in: "fp32 inside", "bf16" or "fp16".

    Empty for all other cells, and if the record does not show it.
    """
    dtype = _compute_dtype(record)
    if dtype not in _HALF or not _ran_math(record):
        return ""
    in_half = _in_half(record)
    return "" if in_half is None else dtype if in_half else "fp32 inside"


def name_attention(attention: str, dtype: str) -> str:
    """The attention with its ``dtype`` from `attention_dtype`, if any: ``math (bf16)``."""
    return f"{attention} ({dtype})" if dtype else attention


def _ran_math(record: Record) -> bool:
    """Whether the cell names math attention, or left the choice open and ran it."""
    attention, proof = record.choices.get("attention"), record.kernel_proof
    if attention != "auto" or proof is None:
        return attention == "math"
    ran = sum(proof.operators.get(name, 0) for name in BACKENDS_BY_NAME["math"].operators)
    return ran > 0 or _SOME_MATH.search(proof.detail) is not None


def _compute_dtype(record: Record) -> Any:
    precision = record.choices.get("precision")
    if precision != "autocast":
        return precision
    device = record.environment.get("device")
    return _AUTOCAST.get(str(device.get("kind"))) if isinstance(device, dict) else None


def _in_half(record: Record) -> bool | None:
    """Whether attention computed in half precision; None if the record does not show it."""
    found = re.match(r"(\d+)\.(\d+)", str(record.environment.get("torch") or ""))
    version = (int(found[1]), int(found[2])) if found else None
    if version is not None and version < _UPCASTS_SINCE:
        return True
    upcast = str(record.choices.get("upcast") or "default").lower()
    if upcast in ("true", "false"):
        return upcast == "false"
    settings = record.environment.get("settings")
    in_half = settings.get("math_attention_reduces_in_half") if isinstance(settings, dict) else None
    if isinstance(in_half, bool):
        return in_half
    return None if version is None else False
