"""The parity of a row with the row of its baseline: `sd_bench.verdicts.parity` as columns."""

from __future__ import annotations

from collections.abc import Callable

from analysis.rows import Row
from sd_bench.verdicts import parity
from sd_bench.verdicts.axes import PICTURE_AXES
from sd_bench.verdicts.parity import NO_REFERENCE, OWN_REFERENCE, KeptLatents, Latents, Parity


def judge_parity(cell: Row, reference: Row | None, read: Callable[[str], Latents | str]) -> Row:
    """``parity`` against the reference cell, ``parity_reason`` if there is none, ``parity_ok``,
    and the largest distance that would be, ``parity_allowed``. Where the output differs,
    ``parity_stage`` is the first stage that does, ``parity_stage_distance`` how far, and
    ``parity_where`` both in words.
    """
    if reference is None:
        found = NO_REFERENCE
    elif reference is cell:
        found = OWN_REFERENCE
    elif others := [axis for axis in PICTURE_AXES if cell.get(axis) != reference.get(axis)]:
        found = Parity(reason=f"another {' and '.join(others).replace('_', ' ')}")
    else:
        found = parity.judge_parity(_kept(cell), _kept(reference), read)
    return {
        "parity": found.distance,
        "parity_reason": found.reason,
        "parity_ok": found.ok,
        "parity_allowed": found.allowed,
        "parity_stage": found.stage,
        "parity_stage_distance": found.stage_distance,
        "parity_where": found.where,
    }


def to_parity(row: Row) -> Parity:
    """The columns of `judge_parity` put together again."""
    return Parity(
        distance=row["parity"],
        allowed=row["parity_allowed"],
        reason=row["parity_reason"],
        stage=row["parity_stage"],
        stage_distance=row["parity_stage_distance"],
    )


def _kept(row: Row) -> KeptLatents:
    return KeptLatents(
        path=row["latents_path"],
        reason=str(row["latents_reason"]),
        precision=row["precision"],
        sketches=row["sketches"],
    )
