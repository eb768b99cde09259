"""Parity: how far the final latents of a cell are from those of its baseline cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sd_bench.verdicts.axes import Choice

#: The largest relative L2 distance that counts as the same output, by precision. Provisional:
#: to be replaced by distances measured between runs that are known to be right. A pair of cells
#: is held to the looser of its two precisions, a precision that is not listed to the strictest.
TOLERANCES = {"fp32": 1e-3, "autocast": 5e-2, "fp16": 5e-2, "bf16": 5e-2}

Latents = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLatents:
    """The file of a cell's final latents, or the ``reason`` in words why there is none."""

    path: str | None
    reason: str = ""
    precision: Choice = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The relative L2 distance from the baseline, and the largest ``allowed`` one.

    The distance is NaN where nobody knows it, for the ``reason`` given.
    """

    distance: float = math.nan
    allowed: float = math.nan
    reason: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the output is the same for all that matters; ``None`` where it is not known."""
        return None if math.isnan(self.distance) else self.distance <= self.allowed


#: Without a baseline, and of a cell with itself.
NO_REFERENCE = Parity(reason="no baseline")
OWN_REFERENCE = Parity(distance=0.0, allowed=0.0, reason="reference")


def find_latents(rounds: Iterable[tuple[int, str, str | None]], precision: Choice) -> KeptLatents:
    """The final latents that a cell is judged by, those of its round 0.

    ``rounds`` have number, status and the path of their latents' file each.
    """
    first = [(status, path) for number, status, path in rounds if number == 0]
    ok = [path for status, path in first if status == "ok"]
    kept = [path for path in ok if path]
    if kept:
        return KeptLatents(path=kept[0], precision=precision)
    reason = "latents not kept" if ok else f"round 0 {first[0][0]}" if first else "no round 0"
    return KeptLatents(path=None, reason=reason, precision=precision)


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


def judge_parity(
    kept: KeptLatents,
    reference: KeptLatents,
    read: Callable[[str], Latents | str] = read_latents,
) -> Parity:
    """The parity of a cell with its reference cell, from the files of both."""
    allowed = tolerance(kept.precision, reference.precision)
    for side, owner in (("", kept), ("baseline: ", reference)):
        if owner.path is None:
            return Parity(allowed=allowed, reason=side + owner.reason)
    assert kept.path is not None
    assert reference.path is not None
    latents, expected = read(kept.path), read(reference.path)
    if isinstance(latents, str):
        return Parity(allowed=allowed, reason=latents)
    if isinstance(expected, str):
        return Parity(allowed=allowed, reason=f"baseline: {expected}")
    if latents.shape != expected.shape:
        return Parity(allowed=allowed, reason="latents differ in shape")
    distance = relative_l2(latents, expected)
    if not math.isfinite(distance):
        return Parity(allowed=allowed, reason="latents not finite, or all zero")
    return Parity(distance=distance, allowed=allowed)
