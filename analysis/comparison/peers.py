"""Compares implementations: each cell with the reference's, overall and by stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.comparison.deltas import compare, compare_with, margin_of, name_cell
from analysis.comparison.rows import DeltaRow
from analysis.ingest.measures import STAGES
from analysis.rows import keep_measured, list_rows
from sd_bench.verdicts.axes import WORKLOAD_AXES, order_values
from sd_bench.verdicts.baselines import Baseline
from sd_bench.verdicts.comparisons import Difference, Sides, judge_sides

#: The columns of a stage, as suffixes of its name; its seconds have none.
STAGE_COLUMNS = ("", "_speedup", "_low", "_high", "_verdict")

_AXIS = "implementation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """A sweep that holds several implementations.

    ``deltas`` is the table of `compare` against the ``reference`` implementation with the same
    settings; ``stages`` has for each of its rows the differences of those `measures.STAGES` that
    both sides have. ``best`` compares the fastest cell of each implementation with the fastest cell
    of the reference, for each machine, workload, batch size and weights.
    """

    reference: str
    deltas: pd.DataFrame
    stages: list[dict[str, Difference]]
    best: pd.DataFrame

    @property
    def stages_of(self) -> dict[str, dict[str, Difference]]:
        """The ``stages`` of each row by its `name_cell`."""
        names = map(name_cell, list_rows(self.deltas, DeltaRow))
        return dict(zip(names, self.stages, strict=True))


def find_peers(cells: pd.DataFrame, margin: float | None = None) -> Peers | None:
    """The implementations of a table of cells; ``None`` if fewer than two were measured.

    ``margin`` is as in `compare`.
    """
    measured = order_values(_AXIS, keep_measured(cells)[_AXIS])
    if len(measured) < 2:
        return None
    reference = str(measured[0])
    deltas = compare(cells, f"{_AXIS}={reference}", margin)
    return Peers(
        reference=reference,
        deltas=deltas,
        stages=_compare_stages(deltas),
        best=compare_with(deltas, dict(_pair_best(deltas, reference)), Baseline(_AXIS, reference)),
    )


def add_stages(peers: Peers) -> pd.DataFrame:
    """The table of ``peers`` with the columns `STAGE_COLUMNS` added for each stage."""
    columns: dict[str, list[Any]] = {}
    for stage in STAGES:
        found = [differences.get(stage) for differences in peers.stages]
        columns[f"{stage}_speedup"] = [d.speedup if d else math.nan for d in found]
        columns[f"{stage}_low"] = [d.interval.low if d else math.nan for d in found]
        columns[f"{stage}_high"] = [d.interval.high if d else math.nan for d in found]
        columns[f"{stage}_verdict"] = [d.verdict.word if d and d.verdict else "" for d in found]
    return peers.deltas.assign(**columns)


def _pair_best(deltas: pd.DataFrame, reference: str) -> Iterator[tuple[int, int]]:
    """The rows of each implementation's fastest cell and of the reference's, for each place."""
    place = ("machine", *WORKLOAD_AXES, "batch_size", "weights")
    rows = list_rows(deltas, DeltaRow)
    places = {
        at: tuple(row[column] for column in place)
        for at, row in enumerate(rows)
        if row.status == "ok"
    }
    fastest: dict[tuple[Any, ...], dict[str, int]] = {each: {} for each in places.values()}
    for at in sorted(places, key=lambda at: rows[at].typical_s):
        fastest[places[at]].setdefault(str(rows[at].implementation), at)
    for best in fastest.values():
        if reference in best:
            yield from ((best[str(name)], best[reference]) for name in order_values(_AXIS, best))


def _compare_stages(deltas: pd.DataFrame) -> list[dict[str, Difference]]:
    """The differences of each row by stage; all stages of a machine are one family."""
    rows = list_rows(deltas, DeltaRow)
    by_cell = {row.comparison.cell: row for row in rows}
    found: list[dict[str, Difference]] = [{} for _ in rows]
    sides: dict[tuple[int, str], Sides] = {}
    for at, row in enumerate(rows):
        difference, base_cell = row.difference, row.comparison.baseline_cell
        if not row.comparison.is_comparison or base_cell is None:
            continue
        if difference is None or difference.sides is None:
            continue
        base = by_cell[base_cell]
        for stage in STAGES:
            both = base.stage_runs[stage], row.stage_runs[stage]
            if not any(math.isnan(s) or s <= 0 for runs in both for s in runs.values()):
                sides[at, stage] = Sides(
                    baseline_s=both[0], cell_s=both[1], planned=difference.sides.planned
                )
    if not sides:
        return found
    machines = [rows[at].machine for at, _ in sides]
    judged = judge_sides([*sides.values()], machines, margin_of(deltas))
    for (at, stage), difference in zip(sides, judged, strict=True):
        if difference is not None:
            found[at][stage] = difference
    return found
