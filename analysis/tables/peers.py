"""Tables of implementations: whole iterations with verdicts, stages, and the best of each."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd

from analysis.comparison.deltas import name_cell
from analysis.comparison.peers import Peers
from analysis.formatting import factor, interval, seconds
from analysis.rows import keep_measured, list_rows
from analysis.tables.columns import (
    NOTHING,
    VERDICT,
    Column,
    cell_column,
    keep_filled,
    show_parity,
)
from analysis.tables.page import Page, Table
from analysis.wording.answers import AnsweredRow, add_answers
from analysis.wording.peers import BEST_NOTE, PEERS_NOTE
from sd_bench.verdicts.answers import NO_CLAIM
from sd_bench.verdicts.comparisons import Difference

#: The headings of the stages, by their column.
STAGE_NAMES = {
    "text_encode_s": "text encoder",
    "denoise_s": "denoising",
    "vae_decode_s": "autoencoder",
}


def make_peers_page(peers: Peers) -> Page:
    """The tables of a sweep with several implementations, with notes on what they mean."""
    return Page(
        title="Implementations",
        tables=[make_whole_table(peers), make_stage_table(peers), make_best_table(peers)],
        notes=[PEERS_NOTE, BEST_NOTE],
    )


def make_whole_table(peers: Peers) -> Table:
    """One row per cell: verdict, iteration time, and time to compile or convert."""
    cells = add_answers(peers.deltas)
    columns = [
        *_verdict_columns(),
        _iteration(),
        _against(cells),
        Column("compile or convert, cold [s]", lambda row: seconds(row.ready_cold_s), True),
        Column("warm [s]", lambda row: seconds(row.ready_warm_s), True),
        Column("kernel proof", lambda row: row.kernel_proof if _is_ok(row) else NOTHING),
        Column("parity", show_parity),
        Column("note", _note),
    ]
    title = f"Whole iterations against {peers.reference}"
    return _table(title, cells, columns)


def make_short_table(peers: Peers) -> Table:
    """Like `make_whole_table`, with only the most important columns."""
    cells = keep_measured(add_answers(peers.deltas))
    return _table("", cells, [_iteration(), *_verdict_columns(), _against(cells)])


def make_stage_table(peers: Peers) -> Table:
    """One row per measured cell: seconds of each stage, with its verdict."""
    answered, stages_of = add_answers(peers.deltas), peers.stages_of

    def show_stage(row: AnsweredRow, stage: str) -> str:
        return _say_stage(row, stage, stages_of[name_cell(row)].get(stage))

    columns = [
        _iteration(),
        *(
            Column(f"{name} [s]", partial(show_stage, stage=stage), True)
            for stage, name in STAGE_NAMES.items()
        ),
    ]
    return _table("By stage", keep_measured(answered), columns)


def make_best_table(peers: Peers) -> Table:
    """The fastest cell of each implementation against the reference's fastest."""
    return _table(
        f"Best of each, against the best of {peers.reference}",
        add_answers(peers.best),
        [*_verdict_columns(), _iteration(), Column("parity", show_parity)],
    )


def _table(title: str, cells: pd.DataFrame, columns: list[Column]) -> Table:
    rows = list_rows(cells, AnsweredRow)
    shown = [cell_column(cells), *keep_filled(columns, rows)]
    return Table(
        title=title,
        headings=[column.heading for column in shown],
        rows=[[column.text(row) for column in shown] for row in rows],
        numeric=frozenset(column.heading for column in shown if column.numeric),
    )


def _verdict_columns() -> list[Column]:
    return [
        Column(VERDICT, lambda row: row.word),
        Column("speed-up", lambda row: _claimed(row, _speedup(row)), True),
        Column("95 % interval", lambda row: _claimed(row, _interval(row)), True),
    ]


def _iteration() -> Column:
    return Column("iteration [s]", lambda row: seconds(row.typical_iteration_s), True)


def _against(cells: pd.DataFrame) -> Column:
    """The column that names the baseline cell by a name that the table shows."""
    names = {name_cell(row): row.series for row in list_rows(cells, AnsweredRow)}
    return Column(
        "against",
        lambda row: NOTHING if row.is_baseline else names.get(row.baseline_cell, NOTHING),
    )


def _claimed(row: AnsweredRow, text: str) -> str:
    """The text, or nothing if no claim is allowed."""
    return NOTHING if row.word == NO_CLAIM or row.is_baseline else text


def _speedup(row: AnsweredRow) -> str:
    return factor(row.speedup, row.speedup_low, row.speedup_high)


def _interval(row: AnsweredRow) -> str:
    return interval(row.speedup_low, row.speedup_high)


def _is_ok(row: AnsweredRow) -> bool:
    return bool(row.status == "ok")


def _note(row: AnsweredRow) -> str:
    if row.iterations and not any(map(math.isfinite, row.stage_runs["denoise_s"].values())):
        return "one call, without stages"
    return str(row.reason or row.no_delta_reason)


def _say_stage(row: AnsweredRow, stage: str, difference: Difference | None) -> str:
    """``0.45 (1.31x faster)``, ``0.45 (unclear)``; only the seconds if nothing is claimed."""
    text = seconds(row[stage])
    if difference is None or difference.verdict is None or row.word == NO_CLAIM:
        return text
    verdict = difference.verdict.word
    low, high = difference.interval
    if verdict == "faster":
        return f"{text} ({factor(difference.speedup, low, high)} faster)"
    if verdict == "slower":
        return f"{text} ({factor(1 / difference.speedup, 1 / high, 1 / low)} slower)"
    return f"{text} ({verdict})"
