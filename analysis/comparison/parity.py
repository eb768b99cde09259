"""The parity of a row with its baseline: `sd_bench.verdicts.parity` as columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analysis.comparison.rows import DeltaRow
from analysis.ingest.rows import CellRow
from sd_bench.verdicts import parity
from sd_bench.verdicts.axes import PICTURE_AXES
from sd_bench.verdicts.parity import NO_REFERENCE, OWN_REFERENCE, KeptLatents, Latents, Parity


def judge_parity(
    cell: CellRow, reference: CellRow | None, read: Callable[[str], Latents | str]
) -> Parity:
    """The parity of a cell with its baseline cell, if it has one.

    ``read`` reads a file of latents.
    """
    if reference is None:
        return NO_REFERENCE
    if reference is cell:
        return OWN_REFERENCE
    if others := [axis for axis in PICTURE_AXES if cell[axis] != reference[axis]]:
        return Parity(reason=f"another {' and '.join(others).replace('_', ' ')}")
    return parity.judge_parity(_kept(cell), _kept(reference), read)


def describe_parity(found: Parity) -> dict[str, Any]:
    """The columns of a row that describe its parity."""
    return {
        "parity": found.distance,
        "parity_reason": found.reason,
        "parity_ok": found.ok,
        "parity_allowed": found.allowed,
        "parity_stage": found.stage,
        "parity_stage_distance": found.stage_distance,
        "parity_where": found.where,
    }


def to_parity(row: DeltaRow) -> Parity:
    """The reverse of `describe_parity`: the parity from its columns."""
    return Parity(
        distance=row.parity,
        allowed=row.parity_allowed,
        reason=row.parity_reason,
        stage=row.parity_stage,
        stage_distance=row.parity_stage_distance,
    )


def _kept(row: CellRow) -> KeptLatents:
    return KeptLatents(
        path=row.latents_path,
        reason=str(row.latents_reason),
        precision=row.precision,
        sketches=row.sketches,
    )
