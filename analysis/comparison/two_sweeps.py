"""Compares two sweeps cell by cell: ``python -m analysis compare OLD NEW``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import pandas as pd
from msgspec import structs

from analysis.comparison.deltas import describe_difference
from analysis.comparison.flags import flag_cell
from analysis.comparison.parity import describe_parity, judge_parity
from analysis.comparison.rows import TwoSweepsRow
from analysis.formatting import join_sweeps
from analysis.ingest.rows import CellRow
from analysis.rows import list_rows, to_frame
from sd_bench.verdicts.axes import AXES, PICTURE_AXES, order_values
from sd_bench.verdicts.comparisons import Sides, judge_sides
from sd_bench.verdicts.judgement import DEFAULT_MARGIN
from sd_bench.verdicts.parity import read_latents
from sd_bench.verdicts.proofs import PROVEN, say_proof
from sd_bench.verdicts.rounds import RoundKey

Value = TypeVar("Value")

#: The outcomes of cells without a partner to compare with.
_NOT_COMPARED = ("missing", "new", "ambiguous", "failed before", "failed")


def compare_sweeps(
    old: pd.DataFrame, new: pd.DataFrame, margin: float = DEFAULT_MARGIN
) -> pd.DataFrame:
    """One row per cell of either sweep; both are tables of `summarise`.

    Cells match if all their choices are equal. The columns are those of `TwoSweepsRow`;
    ``baseline_s`` and ``cell_s`` are the seconds of OLD and NEW from which the speed-up is
    estimated. All cells are judged as one family.
    """
    compared_by = _known_axes(old, new)
    sides = [_by_choices(old, compared_by), _by_choices(new, compared_by)]
    pairs = [[side.get(key, []) for side in sides] for key in dict.fromkeys((*sides[0], *sides[1]))]
    compared = [None if _without_partner(*pair) else _sides(*pair) for pair in pairs]
    differences = judge_sides(compared, ["one table"] * len(pairs), margin)
    rows = [
        _row(before, after, margin, describe_difference(difference))
        for (before, after), difference in zip(pairs, differences, strict=True)
    ]
    return to_frame(rows, TwoSweepsRow)


def compare_scales(old: pd.DataFrame, new: pd.DataFrame) -> str:
    """One line on how to make differently scaled sweeps comparable; empty if the scale is equal."""
    before, after = ({scale for each in side["scales"] for scale in each} for side in (old, new))
    if len(before) != 1 or len(after) != 1 or before == after:
        return ""
    (of_old,), (of_new,) = before, after
    return (
        f"OLD ran at scale={of_old}, NEW at scale={of_new}: to compare them, run the newer again "
        f"with scale={of_old}"
    )


def explain_no_comparison(compared: pd.DataFrame) -> str:
    """One line on why no cell could be compared; empty if at least one could."""
    if not compared["outcome"].isin(_NOT_COMPARED).all():
        return ""
    counts = Counter(compared["outcome"]).most_common()
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts)
    notes = [note for note in compared["note"] if note]
    return (
        f"no cell could be compared ({summary}): {notes[0] if notes else _nothing_shared(compared)}"
    )


def _nothing_shared(compared: pd.DataFrame) -> str:
    """The axes on which OLD and NEW have no value in common."""
    sides = {"OLD": "missing", "NEW": "new"}
    cells = {side: compared[compared["outcome"] == outcome] for side, outcome in sides.items()}
    apart = []
    for axis in AXES:
        values = {side: order_values(axis, part[axis]) for side, part in cells.items()}
        if set(values["OLD"]).isdisjoint(values["NEW"]):
            texts = (f"{', '.join(map(str, found))} in {s}" for s, found in values.items())
            apart.append(f"{axis} is {' and '.join(texts)}")
    return "; ".join(apart) or "no cell of NEW has the same choices as a cell of OLD"


def _known_axes(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    """The axes that match cells: some may be missing in the older records of one sweep."""
    unknown = {
        axis
        for axis in ("upcast", *(axis for axis in PICTURE_AXES if axis != "negative_prompt"))
        if any(side[axis].isna().all() for side in (old, new))
    }
    unknown |= {"negative_prompt"} if "prompt" in unknown else set()
    return [axis for axis in AXES if axis not in unknown]


def _by_choices(cells: pd.DataFrame, axes: list[str]) -> dict[tuple[Any, ...], list[CellRow]]:
    found: dict[tuple[Any, ...], list[CellRow]] = defaultdict(list)
    for row in list_rows(cells, CellRow):
        found[tuple(row[axis] for axis in axes)].append(row)
    return found


def _row(
    old: list[CellRow], new: list[CellRow], margin: float, difference: dict[str, Any]
) -> TwoSweepsRow:
    """The row of one cell, with the columns of its ``difference``."""
    before, after, first = _measured(old), _measured(new), (old or new)[0]
    choices: dict[str, Any] = {axis: first[axis] for axis in AXES}
    dtypes = dict.fromkeys(r.attention_dtype for r in (*old, *new) if r.attention_dtype)
    row = TwoSweepsRow(
        machine=first.machine,
        env=first.env,
        **choices,
        **difference,
        attention_dtype=" then ".join(dtypes),
        old_proof=_proof(before),
        new_proof=_proof(after),
        new_proof_said=_say_proof(after),
        outcome=_without_partner(old, new),
        note="; ".join(note for note in _notes(old, new) if note),
        failed=bool(before) and any(cell.rounds_without_times for cell in new),
        unproven=any(cell.kernel_proof != PROVEN for cell in after),
        margin=margin,
    )
    return row if row.outcome else _compared(row, before[0], after[0])


def _compared(row: TwoSweepsRow, before: CellRow, after: CellRow) -> TwoSweepsRow:
    parity = judge_parity(after, before, read_latents)
    return structs.replace(
        row,
        **describe_parity(parity),
        outcome=row.verdict,
        different=parity.ok is False,
        note="; ".join(text for text in (row.note, parity.where) if text),
        counters=_unpaired(after.counters),
        baseline_counters=before.counters,
        old_marks=flag_cell(before, None),
        new_marks=flag_cell(after, parity.ok),
    )


def _sides(old: list[CellRow], new: list[CellRow]) -> Sides:
    (before,), (after,) = _measured(old), _measured(new)
    return Sides(baseline_s=before.runs, cell_s=_unpaired(after.runs))


def _unpaired(of_rounds: Mapping[RoundKey, Value]) -> dict[RoundKey, Value]:
    """NEW's rounds under keys that do not occur in OLD."""
    return {(f"new {sweep}", number): each for (sweep, number), each in of_rounds.items()}


def _proof(measured: list[CellRow]) -> str:
    return ", ".join(sorted({str(cell.kernel_proof) for cell in measured}))


def _say_proof(measured: list[CellRow]) -> str:
    proofs = {say_proof(str(c.kernel_proof), str(c.proof_detail)) for c in measured}
    return ", ".join(sorted(proofs))


def _measured(cells: list[CellRow]) -> list[CellRow]:
    """The cells with times. A crashed round may have no environment and so be a separate cell."""
    return [cell for cell in cells if cell.status == "ok"]


def _without_partner(old: list[CellRow], new: list[CellRow]) -> str:
    """The outcome of a cell that cannot be compared; empty if it can."""
    if not new:
        return "missing"
    if not old:
        return "new"
    before, after = _measured(old), _measured(new)
    if len(before) > 1 or len(after) > 1:
        return "ambiguous"
    if not before:
        return "failed before"
    return "" if after else "failed"


def _notes(old: list[CellRow], new: list[CellRow]) -> Iterable[str]:
    for side, cells in (("OLD", old), ("NEW", new)):
        yield _several(side, _measured(cells))
        reasons = "; ".join(text for text in _reasons(cells) if text)
        yield f"OLD: {reasons}" if reasons and side == "OLD" else reasons


def _several(side: str, measured: list[CellRow]) -> str:
    """A note if a side measured a cell more than once: where, and what to do."""
    if len(measured) < 2:
        return ""
    envs = Counter(cell.env for cell in measured)
    places = (
        f"{cell.env}{_hash_suffix(cell) if envs[cell.env] > 1 else ''} ({join_sweeps(cell.sweeps)})"
        for cell in measured
    )
    return (
        f"{side} measured it {len(measured)} times, in {' and '.join(places)}: give as {side} a "
        "folder that holds only one of them"
    )


def _hash_suffix(cell: CellRow) -> str:
    return f" #{str(cell.cell_hash)[:7]}"


def _reasons(cells: list[CellRow]) -> Iterable[str]:
    """Why rounds have no times, counted over all rounds of a side."""
    total = sum(_num_rounds(cell) for cell in cells)
    for cell in cells:
        reason, own = str(cell.reason), f" of {_num_rounds(cell)} rounds "
        if not reason or _num_rounds(cell) == total:
            yield reason
        elif own in reason:
            yield reason.replace(own, f" of {total} rounds ")
        else:
            yield f"{_num_rounds(cell)} of {total} rounds {reason}"


def _num_rounds(cell: CellRow) -> int:
    return int(cell.rounds + cell.rounds_without_times)
