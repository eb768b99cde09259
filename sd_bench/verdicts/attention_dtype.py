"""What unfused attention has computed in, for the name of a cell: since PyTorch 2.5 ``math``
computes fp16 and bf16 in fp32 internally, by default.
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
    """What math attention computed in ("fp32 inside", "bf16", "fp16") where the cell is in half
    precision; empty for all other cells, and where the record does not tell.
    """
    dtype = _compute_dtype(record)
    if dtype not in _HALF or not _ran_math(record):
        return ""
    in_half = _in_half(record)
    return "" if in_half is None else dtype if in_half else "fp32 inside"


def name_attention(attention: str, dtype: str) -> str:
    """The attention with what it computed in, as `attention_dtype` says: ``math (bf16)``."""
    return f"{attention} ({dtype})" if dtype else attention


def _ran_math(record: Record) -> bool:
    """Whether the cell asked for math attention, or had the choice and fell to it."""
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
    """Whether half-precision inputs stayed what they are; None where the record does not tell."""
    found = re.match(r"(\d+)\.(\d+)", str(record.environment.get("torch") or ""))
    version = (int(found[1]), int(found[2])) if found else None
    if version is not None and version < _UPCASTS_SINCE:
        return True
    upcast = str(record.choices.get("upcast") or "default").lower()
    if upcast in ("true", "false"):
        return upcast == "false"
    settings = record.environment.get("settings")
    told = settings.get("math_attention_reduces_in_half") if isinstance(settings, dict) else None
    if isinstance(told, bool):
        return told
    return None if version is None else False
