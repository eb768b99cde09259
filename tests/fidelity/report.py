"""docs/fidelity.md: written from measured errors, and read back by a test."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from tests.fidelity.comparison import TOLERANCES, Comparison
from tests.fidelity.table import SECTIONS

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"
_PACKAGES = ("torch", "diffusers", "transformers", "open_clip_torch", "numpy")
_INTRODUCTION = """\
# Fidelity: compared with other implementations

Written by `python -m tests.fidelity` on {day}, on {machine}, with
{versions}.
The same comparisons are tests: `python -m pytest tests/fidelity`.

All comparisons are in fp32 on the CPU, with random weights whose attention logits are spread like
trained ones. The error is |ours - reference| / |reference|, Euclidean, over all elements. For a
trajectory it is the worst step's latents, where each side continues from its own latents. For
tokens it is the share that differs. Weights are passed as a published checkpoint through
diffusers' own converters. Rows marked *full* are for full-size networks (tests marked `slow`).
"""


def page(errors: Mapping[str, float]) -> str:
    """The whole page, from the error of each comparison by its key."""
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    machine = f"{platform.system()} {platform.machine()} (threads: {torch.get_num_threads()})"
    lines = [_INTRODUCTION.format(day=date.today().isoformat(), versions=versions, machine=machine)]
    for title, comparisons in SECTIONS.items():
        lines += [f"## {title}", "", *_table(comparisons, errors), ""]
    lines += ["## Reasons for the tolerances", ""]
    lines += [f"- **{t.name}**, {t}: {t.rests_on}" for t in TOLERANCES]
    return "\n".join(lines) + "\n"


def _table(comparisons: Iterable[Comparison], errors: Mapping[str, float]) -> Iterator[str]:
    yield "| ours | against | error | tolerance |"
    yield "|---|---|---|---|"
    for comparison in comparisons:
        full = " *full*" if comparison.slow else ""
        yield (
            f"| {comparison.name}{full} | {comparison.against} | {errors[comparison.key]:.1e} "
            f"| {comparison.tolerance.name}: {comparison.tolerance} |"
        )


def read_page(text: str) -> dict[str, float]:
    """The errors that a page shows, by key: the inverse of ``page``."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {
        f"{name.removesuffix(' *full*')} | {against}": float(error)
        for name, against, error, _ in rows
        if name != "ours"
    }
