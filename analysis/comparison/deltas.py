"""Tables of comparisons: cells against a baseline, with verdict, parity and flags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from analysis.comparison.flags import add_flags
from analysis.comparison.parity import describe_parity, judge_parity
from analysis.comparison.rows import DeltaRow, describe_cell
from analysis.errors import AnalysisError
from analysis.ingest.rows import CellRow
from analysis.rows import list_rows, to_frame, uncollected
from sd_bench.verdicts import baselines
from sd_bench.verdicts.attention_dtype import name_attention
from sd_bench.verdicts.axes import AXES
from sd_bench.verdicts.baselines import (
    Baseline,
    BaselineCells,
    BaselineError,
    list_varying_baselines,
)
from sd_bench.verdicts.cells import Cell
from sd_bench.verdicts.comparisons import (
    Comparison,
    Difference,
    Sides,
    compare_cells,
    find_margin,
    improvement_percent,
    judge_sides,
)
from sd_bench.verdicts.judgement import Verdict
from sd_bench.verdicts.parity import read_latents
from sd_bench.verdicts.planned_looks import PlannedLooks


def choose_baseline(cells: pd.DataFrame, name: str | None = None) -> Baseline | None:
    """`sd_bench.verdicts.baselines.choose_baseline` for a table of cells. Raises AnalysisError."""
    try:
        return baselines.choose_baseline(_cells(list_rows(cells, CellRow)), name)
    except BaselineError as error:
        raise AnalysisError(str(error)) from error


def compare(
    cells: pd.DataFrame, baseline: str | None = None, margin: float | None = None
) -> pd.DataFrame:
    """Compare each cell with its baseline cell by `compare_cells`.

    Returns the cells with the columns of `DeltaRow`. ``margin`` is the share within which two cells
    count as the same (default: what was planned, or 1 %). Raises AnalysisError if the baseline is
    unknown.
    """
    rows = list_rows(cells, CellRow)
    return _compare(rows, _cells(rows), baseline, margin)


@uncollected()
def _compare(
    rows: Sequence[CellRow],
    compared: Sequence[Cell],
    baseline: str | None,
    margin: float | None,
) -> pd.DataFrame:
    """`compare` for rows that are already cells."""
    try:
        margin = find_margin(compared) if margin is None else margin
        comparisons = compare_cells(compared, baseline, margin)
    except BaselineError as error:
        raise AnalysisError(str(error)) from error
    found = _describe(dict(zip(compared, rows, strict=True)), comparisons, margin)
    delta_of = {row.comparison.cell: row for row in found}
    _judge_parity_elsewhere(delta_of)
    return _to_frame([delta_of[cell] for cell in compared])


def compare_with(
    deltas: pd.DataFrame, partners: Mapping[int, int], baseline: Baseline
) -> pd.DataFrame:
    """Compare rows of a table of `compare` with other rows of it, whatever they differ in.

    Each pair of ``partners`` is the number of a row and the number of the row it is compared with.
    The result has one row per pair, with the columns of `compare`. The pairs of a machine are one
    family, judged at the looks that were planned for their rounds.
    """
    rows = list_rows(deltas, DeltaRow)
    cells = {at: rows[at].comparison.cell for at in partners}
    others = {at: rows[partner].comparison.cell for at, partner in partners.items()}
    margin = margin_of(deltas)
    differences = judge_sides(
        [
            Sides(baseline_s=others[at].runs, cell_s=cell.runs, planned=_plan_of(rows[at]))
            for at, cell in cells.items()
        ],
        [cell.machine for cell in cells.values()],
        margin,
    )
    comparisons = [
        Comparison(
            cell=cell,
            baseline=baseline,
            baseline_cell=others[at],
            reason="",
            difference=difference,
            verdict=None if difference is None else difference.verdict,
        )
        for (at, cell), difference in zip(cells.items(), differences, strict=True)
    ]
    row_of = {rows[at].comparison.cell: rows[at] for at in (*partners.values(), *partners)}
    return _to_frame(_describe(row_of, comparisons, margin))


def _plan_of(row: DeltaRow) -> PlannedLooks | None:
    difference = row.difference
    return None if difference is None or difference.sides is None else difference.sides.planned


def _describe(
    row_of: Mapping[Cell, CellRow], comparisons: Sequence[Comparison], margin: float
) -> list[DeltaRow]:
    """One row per comparison."""
    read = lru_cache(maxsize=4)(read_latents)  # many cells share a baseline
    found = []
    for comparison in comparisons:
        row, base = row_of[comparison.cell], comparison.baseline_cell
        partner = None if base is None else row_of[base]
        columns = {
            **describe_cell(row),
            **describe_parity(judge_parity(row, partner, read)),
            "cell_s": row.typical_s,
            **describe_difference(comparison.difference),
        }
        found.append(
            DeltaRow(
                comparison=comparison,
                baseline=str(comparison.baseline or ""),
                is_baseline=base is comparison.cell,
                no_delta_reason=comparison.reason,
                baseline_cell=name_cell(partner) if partner else "",
                baseline_proof=partner.kernel_proof if partner else "",
                baseline_counters=partner.counters if partner else {},
                margin=margin,
                **columns,
            )
        )
    _name_baselines(found, {name_cell(row): row.attention_dtype for row in row_of.values()})
    return found


def _to_frame(rows: list[DeltaRow]) -> pd.DataFrame:
    add_flags(rows)
    return to_frame(rows, DeltaRow)


def compare_by_axis(cells: pd.DataFrame, margin: float | None = None) -> dict[str, pd.DataFrame]:
    """`compare` against the default baseline of each axis that varies, by the axis's name.

    An axis is left out if no cell has a partner that differs from it on this axis only.
    """
    rows = list_rows(cells, CellRow)
    compared = _cells(rows)
    found = {
        b.axis: _compare(rows, compared, f"{b.axis}={b.value}", margin)
        for b in list_varying_baselines(compared)
    }
    return {axis: deltas for axis, deltas in found.items() if len(keep_partners(deltas))}


def margin_of(deltas: pd.DataFrame) -> float:
    """The share within which two cells of the table count as the same."""
    return float(deltas["margin"].iloc[0])


def keep_partners(deltas: pd.DataFrame) -> pd.DataFrame:
    """The cells that have a baseline cell, and the baseline cells of those."""
    is_baseline, has_speedup = deltas["is_baseline"].astype(bool), deltas["speedup"].notna()
    served = set(deltas["baseline_cell"][has_speedup & ~is_baseline])
    return deltas[deltas["baseline_cell"].isin(served) & (is_baseline | has_speedup)]


def name_cell(row: CellRow) -> str:
    """A name that no other cell has, as in the column ``baseline_cell``."""
    return f"{row.env} {row.cell_hash}"


def describe_difference(difference: Difference | None) -> dict[str, Any]:
    """The columns of a difference and its verdict; for a cell against itself only the estimate."""
    if difference is None:
        return {}
    names = ("baseline_s", "cell_s", "improvement_percent", "speedup")
    columns: dict[str, Any] = {name: getattr(difference, name) for name in names}
    found, verdict, sides = difference.judgement, difference.verdict, difference.sides
    if found is None or verdict is None or sides is None:
        return columns
    low, high = difference.interval
    return columns | {
        "method": found.estimate.method,
        "pairs": found.estimate.rounds,
        "pairing": difference.pairing,
        "verdict": verdict.word,
        "verdict_said": _say(verdict, difference.pairing and sides.num_pairs),
        "difference": difference,
        "further_rounds": verdict.further_rounds,
        "new_sweep_rounds": verdict.new_sweep_rounds,
        "unplanned": sides.unplanned,
        "disturbed": len(found.estimate.disturbed),
        "doubtful": found.estimate.doubtful,
        "p": found.p,
        "level": found.level,
        "widening": found.widening,
        "speedup_low": low,
        "speedup_high": high,
        "improvement_low": improvement_percent(low, 1.0),
        "improvement_high": improvement_percent(high, 1.0),
        "adjusted_low": found.interval.low,
        "adjusted_high": found.interval.high,
    }


def _say(verdict: Verdict, pairs: int | str) -> str:
    """The verdict in words, which distinguish too few pairs from too few rounds."""
    return str(verdict).replace("(needs", f"({pairs} paired rounds, needs" if pairs else "(needs")


def _cells(rows: Sequence[CellRow]) -> list[Cell]:
    return [
        Cell(
            choices={axis: row[axis] for axis in AXES},
            cell_hash=row.cell_hash,
            env=row.env,
            machine=row.machine,
            torch=row.torch,
            device=row.device_name,
            status=row.status,
            reason=row.reason,
            runs=row.runs,
            sweep_folders=frozenset(row.sweep_folders),
            planned=row.planned,
            worker_s=row.worker_s,
        )
        for row in rows
    ]


def _name_baselines(rows: list[DeltaRow], dtypes: Mapping[str, str]) -> None:
    """Add to baselines named by an attention the dtype that it computed in, if there is only one.

    ``dtypes`` is the ``attention_dtype`` of each cell by its `name_cell`.
    """
    of_baseline: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.baseline_cell:
            of_baseline[row.baseline].add(dtypes[row.baseline_cell])
    for row in rows:
        found = of_baseline[row.baseline]
        if "attention=" in row.baseline and len(found) == 1:
            row.baseline = name_attention(row.baseline, *found)


def _judge_parity_elsewhere(row_of: dict[Cell, DeltaRow]) -> None:
    """Judge the parity of measured cells without a baseline, against a cell that is at parity.

    That cell is the baseline on another axis, such as the same attention without the compiler.
    """
    read = lru_cache(maxsize=4)(read_latents)
    alone = {c: row for c, row in row_of.items() if c.is_measured and not row.baseline_cell}
    for baseline in list_varying_baselines(list(row_of)) if alone else []:
        candidates = BaselineCells(row_of, baseline)
        for cell, row in alone.items():
            found = candidates.find(cell)
            if row.parity_ok is None and isinstance(found, Cell) and row_of[found].parity_ok:
                row.parity_ok = judge_parity(row, row_of[found], read).ok
                if row.parity_ok is not None:
                    outcome = "at parity with" if row.parity_ok else "differs from"
                    row.parity_reason += f"; {outcome} {baseline}"
