"""The row types of comparisons: a field is a column of the table.

Seconds are floats; an unknown number is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from msgspec import field

from analysis.ingest.rows import CellRow, Chosen
from sd_bench.statistics.decision import Judgement
from sd_bench.verdicts.comparisons import Comparison, Difference
from sd_bench.verdicts.rounds import RoundKey

Counters = Mapping[RoundKey, Mapping[str, float]]


class DeltaRow(CellRow, kw_only=True):
    """A cell, and how it compares with its ``comparison``'s baseline cell.

    ``speedup``, ``improvement_percent``, ``baseline_s`` and ``cell_s`` are those of its
    ``difference``; without one ``cell_s`` is its ``typical_s``. ``baseline_cell`` names the row of
    the baseline (`deltas.name_cell`); ``no_delta_reason`` says why there is none.

    How it was judged: ``method``, ``pairs``, ``pairing`` (if not all rounds have a partner),
    ``verdict`` and ``verdict_said`` (as tables show it), ``further_rounds``, ``new_sweep_rounds``,
    ``unplanned``, ``p`` and the ``level`` that it is compared with, the 95 % intervals
    ``improvement_low`` to ``improvement_high`` and ``speedup_low`` to ``speedup_high``, the
    interval at the table's level ``adjusted_low`` to ``adjusted_high``, ``widening``, ``disturbed``
    (rounds set aside), ``doubtful``, and ``margin`` (0.01 is 1 %).

    ``parity`` is the relative L2 distance of the final latents. ``parity_ok`` is also known for a
    cell without a baseline if it was compared with a cell that is at parity. ``parity_stage``,
    ``parity_stage_distance`` and ``parity_where`` say from which stage on the output differs, and
    by how much. ``baseline_flags`` are about the comparison, ``flags`` about the cell; the ``best``
    cell is bold.
    """

    comparison: Comparison
    baseline: str
    is_baseline: bool
    baseline_s: float = math.nan
    improvement_percent: float = math.nan
    speedup: float = math.nan
    no_delta_reason: str
    baseline_cell: str
    baseline_proof: str
    baseline_counters: Counters
    parity: float
    parity_reason: str
    parity_ok: bool | None
    parity_allowed: float
    parity_stage: str
    parity_stage_distance: float
    parity_where: str
    method: str = ""
    pairs: int = 0
    pairing: str = ""
    verdict: str = ""
    verdict_said: str = ""
    unplanned: str = ""
    disturbed: int = 0
    doubtful: bool = False
    further_rounds: float = math.nan
    new_sweep_rounds: float = math.nan
    p: float = math.nan
    level: float = math.nan
    widening: float = math.nan
    improvement_low: float = math.nan
    improvement_high: float = math.nan
    speedup_low: float = math.nan
    speedup_high: float = math.nan
    adjusted_low: float = math.nan
    adjusted_high: float = math.nan
    difference: Difference | None = None
    margin: float
    cell_s: float
    flags: str = ""
    baseline_flags: str = ""
    best: bool = False


class TwoSweepsRow(Chosen, kw_only=True):
    """A cell of one or both of two sweeps, NEW judged against OLD as in `DeltaRow`.

    ``outcome`` is a verdict, or ``failed`` (no times in NEW), ``failed before`` (none in OLD),
    ``missing``, ``new`` or ``ambiguous`` (measured more than once in a sweep); ``note`` says why.
    ``old_marks`` and ``new_marks`` are the signs beside the seconds. ``failed``, ``different`` and
    ``unproven`` are defined by `gate.FAILURES`. ``series`` and ``baseline`` name the two sides in
    sentences.
    """

    method: str = ""
    pairs: int = 0
    pairing: str = ""
    verdict: str = ""
    verdict_said: str = ""
    unplanned: str = ""
    disturbed: int = 0
    doubtful: bool = False
    further_rounds: float = math.nan
    new_sweep_rounds: float = math.nan
    p: float = math.nan
    level: float = math.nan
    widening: float = math.nan
    improvement_low: float = math.nan
    improvement_high: float = math.nan
    speedup_low: float = math.nan
    speedup_high: float = math.nan
    adjusted_low: float = math.nan
    adjusted_high: float = math.nan
    attention_dtype: str
    difference: Difference | None = None
    baseline_s: float = math.nan
    cell_s: float = math.nan
    old_marks: str = ""
    new_marks: str = ""
    improvement_percent: float = math.nan
    speedup: float = math.nan
    old_proof: str
    new_proof: str
    new_proof_said: str
    parity_ok: bool | None = None
    parity: float = math.nan
    parity_reason: str = ""
    outcome: str
    note: str
    failed: bool
    unproven: bool
    parity_allowed: float = math.nan
    parity_stage: str = ""
    parity_stage_distance: float = math.nan
    parity_where: str = ""
    counters: Counters = field(default_factory=dict)
    baseline_counters: Counters = field(default_factory=dict)
    margin: float
    different: bool = False
    series: str = ""
    baseline: str = ""


#: Rows that are judged: with a difference, its verdict, and what was special about their rounds.
JudgedRow = DeltaRow | TwoSweepsRow


def judgement_of(row: JudgedRow) -> Judgement | None:
    """The judgement of the row's difference, if it has one."""
    return None if row.difference is None else row.difference.judgement


def describe_cell(row: CellRow) -> dict[str, Any]:
    """The columns of a row that are a cell's own."""
    names = CellRow.__struct_fields__
    return dict(zip(names, attrgetter(*names)(row), strict=True))
