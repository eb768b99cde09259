"""Pictures that cells drew: for each comparison the baseline's, the cell's, and the difference."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, features

from analysis.comparison.deltas import name_cell
from analysis.comparison.rows import DeltaRow
from analysis.ingest.pictures import Picture
from analysis.rows import list_rows
from sd_bench.records import open_regular

#: Most comparisons that are shown, and most characters of all their pictures together.
_MOST_SHOWN, _MOST_CHARACTERS = 12, 500_000

#: Most bytes of a picture file: 8192 x 8192 pixels without compression.
_LARGEST_PICTURE = 2**28

#: The longer side of a picture in a report, in pixels.
_SIDE = 256

#: How many times a difference may be doubled to make it visible.
_MOST_DOUBLINGS = 6

_Pixels = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the report: its data URL and its name."""

    source: str
    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The pictures of a comparison, and a sentence on how much they differ."""

    prompt: str
    place: str
    pictures: list[Shown]
    parity: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """The comparisons that fit, how many do not, and whether random weights drew only noise."""

    shown: list[Comparison]
    num_more: int
    noise: bool


def show_pictures(deltas: pd.DataFrame) -> Pictures:
    """The first picture of round 0 of each cell beside its baseline's.

    A cell is left out if its picture or its baseline's was not kept or is not readable.
    """
    rows = list_rows(deltas, DeltaRow)
    by_name = {name_cell(row): row for row in rows}
    pairs = [
        (by_name[row.baseline_cell], row)
        for row in rows
        if row.baseline_cell in by_name and not row.is_baseline
        if row.pictures and by_name[row.baseline_cell].pictures
    ]
    shown: list[Comparison] = []
    room = _MOST_CHARACTERS
    num_unreadable = 0
    for baseline, row in pairs[:_MOST_SHOWN]:
        found = _compare(baseline, row)
        if found is None:
            num_unreadable += 1
            continue
        room -= sum(len(picture.source) for picture in found.pictures)
        if room < 0:
            break
        shown.append(found)
    noise = any(row.weights == "random" for _, row in pairs)
    return Pictures(shown, len(pairs) - num_unreadable - len(shown), noise)


def _compare(baseline: DeltaRow, row: DeltaRow) -> Comparison | None:
    first, other = _read(baseline.pictures[0]), _read(row.pictures[0])
    if first is None or other is None:
        return None
    pictures = [
        Shown(_encode(first), str(baseline.series)),
        Shown(_encode(other), str(row.series)),
    ]
    if first.shape == other.shape:
        pixels, name = _amplify(first, other)
        pictures.append(Shown(_encode(pixels), name))
    picture: Picture = row.pictures[0]
    seed = "" if picture.seed is None else f", seed {picture.seed}"
    return Comparison(
        f"{picture.prompt or 'no prompt'}{seed}",
        f"batch size {row.batch_size} on {row.machine}",
        pictures,
        _say_parity(row),
    )


def _read(picture: Picture) -> _Pixels | None:
    """The pixels [H, W, 3], at most `_SIDE` on a side; ``None`` if the picture is not readable."""
    try:
        with (
            open_regular(Path(picture.path), _LARGEST_PICTURE) as stream,
            Image.open(stream) as image,
        ):
            small = image.convert("RGB")
            small.thumbnail((_SIDE, _SIDE))
            return np.asarray(small, dtype=np.int16)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _amplify(first: _Pixels, other: _Pixels) -> tuple[_Pixels, str]:
    """The absolute difference, doubled as long as hardly any pixel saturates, and its name."""
    difference = np.abs(first - other)
    if not difference.any():
        return difference, "no pixel differs"
    strongest = float(np.percentile(difference, 99))
    doublings = int(np.log2(255 / max(strongest, 1.0)))
    times = 2 ** min(doublings, _MOST_DOUBLINGS)
    amplified = np.minimum(difference * times, 255)
    return amplified, f"difference x {times}" if times > 1 else "difference"


def _encode(pixels: _Pixels) -> str:
    """Pixels as a data URL: WebP, or PNG if Pillow was built without WebP."""
    kind = "webp" if features.check("webp") else "png"
    options: dict[str, Any] = {"quality": 75, "method": 6} if kind == "webp" else {}
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _say_parity(row: DeltaRow) -> str:
    if row.parity_ok is None:
        return f"Whether this is the same picture is not known: {row.parity_reason}."
    allowed = f"{row.parity_allowed:g}"
    if row.parity_ok:
        return f"Same picture: the latents differ by {row.parity:.2g}, of {allowed} allowed."
    where = f"; {row.parity_where}" if row.parity_where else ""
    return f"Another picture: the latents differ by {row.parity:.2g}, of {allowed} allowed{where}."
