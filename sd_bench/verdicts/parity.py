"""Parity: how far a cell's output is from its baseline cell's, and from which stage on.

It is judged by the final latents, which are stored beside the records. Sketches in the records show
at which stage two cells begin to differ, and whether the decoder differs although the latents do
not.
"""

from __future__ import annotations

import math
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sd_bench.regular_files import open_regular
from sd_bench.verdicts.axes import Choice

#: The largest relative L2 distance that counts as the same output, by precision. Provisional:
#: to be replaced by distances measured between runs that are known to be right. For two cells the
#: looser tolerance of their precisions applies; a precision that is not listed has the strictest.
TOLERANCES = {"fp32": 1e-3, "autocast": 5e-2, "fp16": 5e-2, "bf16": 5e-2}

#: The relative error of a distance that is computed from sketches.
SKETCH_ERROR = 0.3

#: The stages whose output is sketched, in order, and how to say that a cell differs from there on.
STAGES = {
    "text_encode": "it differs from the text encoder on, by {}",
    "unet_call": "the UNet's first call already differs by {}",
    "denoise": "it differs from a later UNet call on, or by the sampler",
    "vae_decode": "only the decoder differs, by {}",
}

Latents = NDArray[np.float64]
#: The sketch of each stage's output (`sd_bench.measurement.sketches`).
Sketches = Mapping[str, Sequence[float]]

#: The most bytes of a file of latents: 128 images of 8192 x 8192 pixels.
_LARGEST_LATENTS = 2**31
#: What numpy raises for a damaged header or damaged numbers.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, OverflowError),
    *(SyntaxError, RecursionError, tokenize.TokenError),
)
#: The first bytes of numpy's archives of several arrays, and the reader of each header version.
_ARCHIVE = b"PK"
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLatents:
    """The file of a cell's final latents, or the ``reason`` why there is none.

    ``sketches`` are those of the same round, possibly empty.
    """

    path: str | None
    reason: str = ""
    precision: Choice = None
    sketches: Sketches = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The relative L2 distance from the baseline, and the largest ``allowed`` one.

    The distance is that of the final latents, or NaN if unknown, with the ``reason``. If the output
    differs, ``stage`` is the first of `STAGES` that does (empty if unknown), and ``stage_distance``
    is its distance, from sketches (NaN if unknown).
    """

    distance: float = math.nan
    allowed: float = math.nan
    reason: str = ""
    stage: str = ""
    stage_distance: float = math.nan

    @property
    def ok(self) -> bool | None:
        """Whether the output counts as the same; ``None`` if unknown."""
        if math.isnan(self.distance):
            return None
        return self.distance <= self.allowed and not self.stage

    @property
    def where(self) -> str:
        """In words, from which stage on the output differs; empty if it does not or is unknown."""
        return STAGES[self.stage].format(_percent(self.stage_distance)) if self.stage else ""


#: Relative distances above this are shown only as "more than".
_FAR = 10.0

#: The parity without a baseline, and of a baseline itself.
NO_REFERENCE = Parity(reason="no baseline")
OWN_REFERENCE = Parity(distance=0.0, allowed=0.0, reason="reference")


def find_latents(
    rounds: Iterable[tuple[int, str, str | None, Sketches]], precision: Choice
) -> KeptLatents:
    """The final latents by which a cell is judged: those of its round 0.

    Each of ``rounds`` is a number, a status, the path of the latents' file, and the sketches.
    """
    first = [(status, path, sketches) for number, status, path, sketches in rounds if number == 0]
    ok = [(path, sketches) for status, path, sketches in first if status == "ok"]
    for path, sketches in ok:
        if path:
            return KeptLatents(path=path, precision=precision, sketches=sketches)
    reason = "latents not kept" if ok else f"round 0 {first[0][0]}" if first else "no round 0"
    return KeptLatents(path=None, reason=reason, precision=precision)


def relative_l2(latents: Latents, reference: Latents) -> float:
    """``|latents - reference| / |reference|`` over all elements; NaN where it is undefined."""
    with np.errstate(all="ignore"):  # infinities and overflow end as NaN
        size = float(np.linalg.norm(reference))
        distance = float(np.linalg.norm(latents - reference))
    return distance / size if size > 0 else math.nan


def tolerance(precision: Choice, reference_precision: Choice) -> float:
    """The largest relative L2 distance at which two cells of these precisions are at parity."""
    strictest = min(TOLERANCES.values())
    return max(TOLERANCES.get(str(p), strictest) for p in (precision, reference_precision))


def read_latents(path: str) -> Latents | str:
    """The numbers in an .npy file, or a text that says why there are none."""
    try:
        with open_regular(Path(path), _LARGEST_LATENTS) as stream:
            if stream.read(len(_ARCHIVE)) == _ARCHIVE:
                return "latents file holds no numbers"
            stream.seek(0)
            shape, _, dtype = _READ_HEADER[np.lib.format.read_magic(stream)](stream)
            if dtype.kind not in "fiu":
                return f"latents file {'not readable' if dtype.hasobject else 'holds no numbers'}"
            begin = stream.tell()
            if math.prod(shape) * dtype.itemsize != stream.seek(0, 2) - begin:
                return "latents file not readable"
            stream.seek(0)
            return np.load(stream, allow_pickle=False).astype(np.float64)
    except FileNotFoundError:
        return "latents file missing"
    except _UNREADABLE:
        return "latents file not readable"


def find_stage(
    sketches: Sketches, reference: Sketches, allowed: float, latents_differ: bool
) -> tuple[str, float]:
    """The first of `STAGES` whose output differs, and by how much; ``("", nan)`` if none does.

    A distance from sketches counts as different only if it exceeds the tolerance by the sketches'
    error. If the latents differ but no earlier stage does, the stage is "denoise"; if an earlier
    stage's sketches are missing, it is unknown and empty.
    """
    distances = {
        stage: relative_l2(np.array(sketches[stage]), np.array(reference[stage]))
        for stage in STAGES
        if stage in sketches and len(sketches[stage]) == len(reference.get(stage, ()))
    }
    apart = {stage: d for stage, d in distances.items() if d > (1 + SKETCH_ERROR) * allowed}
    if not latents_differ:
        found = "vae_decode" if "vae_decode" in apart else ""
    else:
        is_known = {"text_encode", "unet_call"} <= distances.keys()
        later = "denoise" if is_known else ""
        found = next((s for s in ("text_encode", "unet_call") if s in apart), later)
    return found, distances.get(found, math.nan)


def judge_parity(
    kept: KeptLatents,
    reference: KeptLatents,
    read: Callable[[str], Latents | str] = read_latents,
) -> Parity:
    """The parity of a cell with its reference cell, from both latents' files."""
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
    stage, stage_distance = find_stage(
        kept.sketches, reference.sketches, allowed, latents_differ=distance > allowed
    )
    return Parity(distance=distance, allowed=allowed, stage=stage, stage_distance=stage_distance)


def _percent(share: float) -> str:
    """``12 %`` or ``0.3 %``; ``more than 1000 %`` for larger shares."""
    if share > _FAR:
        return f"more than {100 * _FAR:.0f} %"
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"
