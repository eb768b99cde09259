"""Pictures beside the records of a sweep on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs
from PIL import Image

from sd_bench.records import find_records, read_record, write_record


def sample_picture(side: int = 64, change: int = 0) -> np.ndarray[Any, Any]:
    """Pixels [side, side, 3] of noise, ``change`` away from those with ``change=0``."""
    noise = np.random.default_rng(0).integers(40, 200, (side, side, 3))
    return (noise + change).astype(np.uint8)


def add_pictures(
    root: Path, change_of: dict[str, int] | None = None, side: int = 64, prompt: str = "A photo"
) -> Path:
    """Add a picture to each measured round 0 below ``root``; returns ``root``.

    ``change_of`` is the distance of the picture by attention.
    """
    for path in list(find_records(root)):
        record = read_record(path)
        if record.round or record.output is None:
            continue
        change = (change_of or {}).get(str(record.choices["attention"]), 0)
        Image.fromarray(sample_picture(side, change)).save(path.parent / "round-0-image-0.png")
        output = structs.replace(
            record.output, image_files=["round-0-image-0.png"], prompts=[prompt]
        )
        write_record(path, structs.replace(record, output=output))
    return root
