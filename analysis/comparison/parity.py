"""Parity: how far the final latents of a cell are from those of its baseline cell."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analysis.rows import Row
from sd_bench.verdicts.axes import Choice

#: The largest relative L2 distance that counts as the same output, by precision. Provisional:
#: to be replaced by distances measured between runs that are known to be right. A pair of cells
#: is held to the looser of its two precisions, a precision that is not listed to the strictest.
TOLERANCES = {"fp32": 1e-3, "autocast": 5e-2, "fp16": 5e-2, "bf16": 5e-2}

Latents = NDArray[np.float64]


def relative_l2(latents: Latents, reference: Latents) -> float:
    """``|latents - reference| / |reference|`` over all elements; NaN where it has no meaning."""
    with np.errstate(all="ignore"):  # infinities and overflow end as NaN
        size = float(np.linalg.norm(reference))
        distance = float(np.linalg.norm(latents - reference))
    return distance / size if size > 0 else math.nan


def tolerance(precision: Choice, reference_precision: Choice) -> float:
    """The largest relative L2 distance at which two cells of these precisions are at parity."""
    strictest = min(TOLERANCES.values())
    return max(TOLERANCES.get(str(p), strictest) for p in (precision, reference_precision))


def judge_parity(cell: Row, reference: Row | None, read: Callable[[str], Latents | str]) -> Row:
    """``parity`` against the reference cell, ``parity_reason`` if there is none, ``parity_ok``."""
    if reference is None:
        return _nothing("no baseline")
    if reference is cell:
        return {"parity": 0.0, "parity_reason": "reference", "parity_ok": True}
    for side, owner in (("", cell), ("baseline: ", reference)):
        if owner["latents_path"] is None:
            return _nothing(side + str(owner["latents_reason"]))
    latents, expected = read(cell["latents_path"]), read(reference["latents_path"])
    if isinstance(latents, str):
        return _nothing(latents)
    if isinstance(expected, str):
        return _nothing(f"baseline: {expected}")
    if latents.shape != expected.shape:
        return _nothing("latents differ in shape")
    distance = relative_l2(latents, expected)
    if not math.isfinite(distance):
        return _nothing("latents not finite, or all zero")
    allowed = tolerance(cell["precision"], reference["precision"])
    return {"parity": distance, "parity_reason": "", "parity_ok": distance <= allowed}


def _nothing(reason: str) -> Row:
    return {"parity": math.nan, "parity_reason": reason, "parity_ok": None}


def read_latents(path: str) -> Latents | str:
    """The numbers of an .npy file, or the reason in words why there are none."""
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return "latents file missing"
    except (OSError, ValueError, EOFError, MemoryError):
        return "latents file not readable"
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        return "latents file holds no numbers"
    return array.astype(np.float64)
