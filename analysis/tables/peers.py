"""Tables of implementations: whole iterations with verdicts, their stages, and the best of each."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from analysis.comparison.deltas import name_cell
from analysis.comparison.peers import Peers
from analysis.formatting import factor, interval, seconds
from analysis.rows import Row, list_rows
from analysis.tables.columns import (
    NOTHING,
    VERDICT,
    Column,
    cell_column,
    keep_filled,
    show_parity,
)
from analysis.tables.page import Page, Table
from analysis.wording.answers import answer_rows
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
    """The tables of a sweep that holds several implementations, with what they mean."""
    return Page(
        title="Implementations",
        tables=[make_whole_table(peers), make_stage_table(peers), make_best_table(peers)],
        notes=[PEERS_NOTE, BEST_NOTE],
    )


def make_whole_table(peers: Peers) -> Table:
    """A row per cell: its verdict, its iteration, and what compiling or converting took."""
    columns = [
        *_verdict_columns(),
        _iteration(),
        _against(),
        Column("compile or convert, cold [s]", lambda row: seconds(row["ready_cold_s"]), True),
        Column("warm [s]", lambda row: seconds(row["ready_warm_s"]), True),
        Column("kernel proof", lambda row: row["kernel_proof"] if _is_ok(row) else NOTHING),
        Column("parity", show_parity),
        Column("note", _note),
    ]
    title = f"Whole iterations against {peers.reference}"
    return _table(title, peers.deltas, columns)


def make_short_table(peers: Peers) -> Table:
    """As `make_whole_table`, with no more than a reader in a hurry needs."""
    columns = [_iteration(), *_verdict_columns(), _against()]
    return _table("", peers.deltas[peers.deltas["status"] == "ok"], columns)


def make_stage_table(peers: Peers) -> Table:
    """A row per measured cell: seconds of each stage, with its verdict; none without stages."""
    answers = [answer.word for answer in answer_rows(peers.deltas)]
    told = [
        {stage: _say_stage(row, stage, differences.get(stage), word) for stage in STAGE_NAMES}
        for row, differences, word in zip(
            list_rows(peers.deltas), peers.stages, answers, strict=True
        )
    ]
    table = peers.deltas.assign(told=pd.Series(told, index=peers.deltas.index, dtype=object))
    columns = [
        _iteration(),
        *(
            Column(f"{name} [s]", lambda row, stage=stage: row["told"][stage], True)  # type: ignore[misc]
            for stage, name in STAGE_NAMES.items()
        ),
    ]
    return _table("By stage", table[table["status"] == "ok"], columns)


def make_best_table(peers: Peers) -> Table:
    """The fastest cell of each implementation against the reference's fastest."""
    return _table(
        f"Best of each, against the best of {peers.reference}",
        peers.best,
        [*_verdict_columns(), _iteration(), Column("parity", show_parity)],
    )


def _table(title: str, cells: pd.DataFrame, columns: list[Column]) -> Table:
    names = {name_cell(row): str(row["series"]) for row in list_rows(cells)}
    rows = [
        row | {"answer": answer.word, "against": _name_other(row, names)}
        for row, answer in zip(list_rows(cells), answer_rows(cells), strict=True)
    ]
    shown = [cell_column(cells), *keep_filled(columns, rows)]
    return Table(
        title=title,
        headings=[column.heading for column in shown],
        rows=[[column.text(row) for column in shown] for row in rows],
        numeric=frozenset(column.heading for column in shown if column.numeric),
    )


def _name_other(row: Row, names: Mapping[str, str]) -> str:
    return NOTHING if row["is_baseline"] else names.get(str(row["baseline_cell"]), NOTHING)


def _verdict_columns() -> list[Column]:
    return [
        Column(VERDICT, lambda row: str(row["answer"])),
        Column("speed-up", lambda row: _claimed(row, _speedup(row)), True),
        Column("95 % interval", lambda row: _claimed(row, _interval(row)), True),
    ]


def _iteration() -> Column:
    return Column(
        "iteration [s]", lambda row: seconds(row["typical_s"] / (row["n_iter"] or 1)), True
    )


def _against() -> Column:
    return Column("against", lambda row: str(row["against"]))


def _claimed(row: Row, text: str) -> str:
    """Nothing where no claim is allowed."""
    return NOTHING if row["answer"] == NO_CLAIM or row["is_baseline"] else text


def _speedup(row: Row) -> str:
    return factor(row["speedup"], row["speedup_low"], row["speedup_high"])


def _interval(row: Row) -> str:
    return interval(row["speedup_low"], row["speedup_high"])


def _is_ok(row: Row) -> bool:
    return bool(row["status"] == "ok")


def _note(row: Row) -> str:
    if row["iterations"] and not any(map(math.isfinite, row["stage_runs"]["denoise_s"].values())):
        return "one call, without stages"
    return str(row["reason"] or row["no_delta_reason"])


def _say_stage(row: Row, stage: str, difference: Difference | None, word: str) -> str:
    """``0.45 (1.31x faster)``, ``0.45 (unclear)``; the seconds alone where nothing is claimed."""
    told = seconds(row[stage])
    if difference is None or difference.verdict is None or word == NO_CLAIM:
        return told
    verdict = difference.verdict.word
    low, high = difference.interval
    if verdict == "faster":
        return f"{told} ({factor(difference.speedup, low, high)} faster)"
    if verdict == "slower":
        return f"{told} ({factor(1 / difference.speedup, 1 / high, 1 / low)} slower)"
    return f"{told} ({verdict})"
