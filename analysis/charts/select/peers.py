"""The chart of implementations: each against the reference, overall and by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from analysis.charts.colours import colour_series
from analysis.charts.kinds.speedups import Speedup, SpeedupChart
from analysis.charts.select.captions import explain_signs, make_caption, note_origin
from analysis.charts.select.claims import name_verdict
from analysis.charts.select.file_names import find_unused, name_file
from analysis.comparison.deltas import margin_of, name_cell
from analysis.comparison.peers import Peers, find_peers
from analysis.rows import first_row, list_rows
from analysis.series import order_series
from analysis.tables.peers import STAGE_NAMES
from analysis.wording.answers import AnsweredRow, add_answers
from analysis.wording.cell_names import describe_workload
from analysis.wording.peers import state_peers
from sd_bench.statistics.digits import format_factor
from sd_bench.verdicts.answers import NO_CLAIM
from sd_bench.verdicts.axes import WORKLOAD_AXES
from sd_bench.verdicts.comparisons import Difference

_WHOLE = "whole iteration"
_PLACE = ("machine", *WORKLOAD_AXES, "batch_size")


def select_peer_charts(deltas: pd.DataFrame) -> dict[str, SpeedupChart]:
    """The charts by file name without suffix, one per machine, workload and batch size.

    None if fewer than two implementations were measured, or none has a partner.
    """
    peers = find_peers(deltas, margin_of(deltas))
    if peers is None:
        return {}
    charts: dict[str, SpeedupChart] = {}
    answered = add_answers(peers.deltas)
    compared = answered[[bool(name_verdict(row)) for row in list_rows(answered, AnsweredRow)]]
    for _, cells in compared.groupby([*_PLACE], sort=False, dropna=False):
        first = first_row(cells, AnsweredRow)
        begin = f"peers_{first.machine}_batch_{first.batch_size}"
        charts[find_unused(name_file(begin, first, deltas), charts)] = _chart(cells, peers)
    return charts


def _chart(cells: pd.DataFrame, peers: Peers) -> SpeedupChart:
    series = order_series(cells)
    rows = sorted(list_rows(cells, AnsweredRow), key=lambda row: series.index(str(row.series)))
    first, stages_of = rows[0], peers.stages_of
    place = f"at batch size {first.batch_size}"
    best_rows = list_rows(peers.best, AnsweredRow)
    of_place = [all(row[axis] == first[axis] for axis in _PLACE) for row in best_rows]
    best = peers.best[of_place]
    sentences = state_peers(replace(peers, best=best)) if len(best) else []
    without = [str(row.series) for row in rows if not stages_of[name_cell(row)]]
    no_stages = f"Without stages, so not among them: {', '.join(without)}." if without else ""
    return SpeedupChart(
        title=(sentences[-1] if sentences else f"Implementations {place}").rstrip("."),
        subtitle=f"{describe_workload(first, 'sampler', 'precision')}, {place}, on {first.machine}",
        x_label=f"Times as fast as {peers.reference}, with its 95 % interval",
        rows=list(_rows(rows, stages_of)),
        colours=colour_series(series),
        caption=make_caption(
            "Right of the line is faster. Bars are 95 % intervals; a hollow dot has no verdict.",
            no_stages,
            explain_signs(f"{row.flags}{row.baseline_flags}" for row in rows),
        ),
        origin=note_origin(cells),
    )


def _rows(
    rows: list[AnsweredRow], stages_of: Mapping[str, Mapping[str, Difference]]
) -> Iterator[Speedup]:
    for row in rows:
        if row.difference is not None:
            yield _row(row, row.difference, _WHOLE)
    for stage, name in STAGE_NAMES.items():
        for row in rows:
            if difference := stages_of[name_cell(row)].get(stage):
                yield _row(row, difference, name)


def _row(row: AnsweredRow, difference: Difference, group: str) -> Speedup:
    """A dot of the chart; if the cell allows no claim, none of its stages does."""
    low, high = difference.interval
    verdict = difference.verdict
    may_claim = row.word != NO_CLAIM and verdict is not None
    return Speedup(
        name=str(row.series),
        series=str(row.series),
        value=difference.speedup,
        low=low,
        high=high,
        text=f"{format_factor(difference.speedup, low, high)}x",
        word=verdict.word if may_claim and verdict is not None else NO_CLAIM,
        decided=may_claim and verdict is not None and verdict.is_settled,
        group=group,
    )
