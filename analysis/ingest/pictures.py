"""The pictures that a round left beside its record."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from sd_bench.records import Record
from sd_bench.verdicts.axes import to_one_line


class Picture(NamedTuple):
    """An image file, with the prompt and seed that it was made from, if known."""

    path: str
    prompt: str
    seed: int | None


def list_pictures(path: Path, record: Record) -> tuple[Picture, ...]:
    """The images of the record at ``path``, in batch order; the files may be missing."""
    output = record.output
    if output is None:
        return ()
    facts = zip_longest(output.image_files, output.prompts, output.image_seeds)
    return tuple(
        Picture(str(path.parent / Path(str(file)).name), to_one_line(prompt or ""), seed)
        for file, prompt, seed in facts
        if file
    )
