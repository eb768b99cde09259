"""The pages: every cell, differences per machine, one axis at a time, resources, environments."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.comparison.deltas import keep_partners
from analysis.comparison.flags import explain
from analysis.comparison.rows import DeltaRow
from analysis.formatting import join_sweeps
from analysis.ingest.rows import EnvironmentRow
from analysis.once import once
from analysis.rows import keep_measured, list_rows, make_rows
from analysis.tables.columns import (
    Column,
    cell_column,
    delta_columns,
    keep_filled,
    measured_columns,
    place_columns,
    resource_columns,
)
from analysis.tables.page import Page, Table
from analysis.wording.answers import AnsweredRow, add_answers, answer_table
from analysis.wording.judgements import note_verdicts
from analysis.wording.notes import (
    DELTA_NOTE,
    RESOURCES_NOTE,
    note_common,
    note_doubts,
    note_memory,
    note_runtime,
    note_value,
)
from sd_bench.verdicts.further_rounds import say_what_decides

#: The title of the page with one table per machine.
DIFFERENCES = "Differences from the baseline"

#: Characters of a fingerprint that are shown to distinguish it; the CSV has all of it.
_FINGERPRINT_SHOWN = 16


@once
def make_summary_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """Every cell: runtime in seconds with its interval, rates, proof and parity."""
    table = _table("Every cell", deltas, place_columns(deltas), measured_columns(deltas))
    return Page(
        title="Summary",
        tables=[table, *_several(environments)],
        notes=[*note_common(deltas, environments), note_runtime(deltas), *note_doubts(deltas)],
    )


@once
def make_delta_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """One table per machine: every cell against its baseline cell, with verdict and interval."""
    rows = list_rows(deltas, DeltaRow)
    notes = [*note_common(deltas, environments), DELTA_NOTE, *note_verdicts(rows)]
    notes += say_what_decides(row.comparison for row in rows)
    notes += explain(row.baseline_flags for row in rows)
    return Page(
        title=DIFFERENCES,
        tables=[*_delta_tables(add_answers(deltas)), *_several(environments)],
        notes=[*notes, *note_doubts(deltas)],
    )


@once
def make_resources_page(deltas: pd.DataFrame) -> Page:
    """Rates, times of the stages of an iteration, peak memory and energy of measured cells.

    The page has no table if nothing was measured, or if no record has any of these.
    """
    measured = keep_measured(deltas)
    filled = keep_filled(resource_columns(), list_rows(measured, AnsweredRow))
    return Page(
        title="Rates and resources",
        tables=(
            [_table("Rates and resources", measured, place_columns(measured), filled)]
            if filled
            else []
        ),
        notes=[RESOURCES_NOTE, *note_memory(measured)] if filled else [],
    )


def make_axes_page(by_axis: dict[str, pd.DataFrame]) -> Page:
    """For each axis that varies, every value against the axis's baseline, with all else equal."""
    tables, notes = [], [DELTA_NOTE]
    for name, deltas in by_axis.items():
        part = _make_axis_page(deltas)
        suffix = f", all but {name} equal"
        tables += [replace(table, title=f"{table.title}{suffix}") for table in part.tables]
        notes += part.notes
    return Page(title="One axis at a time", tables=tables, notes=list(dict.fromkeys(notes)))


@once
def _make_axis_page(deltas: pd.DataFrame) -> Page:
    """The values of one axis. Nothing but the page is kept: of large sweeps there are many rows."""
    rows = make_rows(deltas, DeltaRow)
    notes = [note_value(deltas), *note_verdicts(rows)]
    notes += [*explain(deltas["baseline_flags"]), *note_doubts(deltas)]
    tables = _delta_tables(keep_partners(answer_table(deltas, rows)))
    return Page(title="", tables=tables, notes=notes)


def make_screen_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """The tables of summary and delta, with every note once."""
    summary, delta = make_summary_page(deltas, environments), make_delta_page(deltas, environments)
    every_cell, *which_is_which = summary.tables
    differences = [table for table in delta.tables if table not in which_is_which]
    notes = dict.fromkeys((*summary.notes, *delta.notes))
    tables = [every_cell, *differences, *which_is_which]
    return Page(title="", tables=tables, notes=list(notes))


def _delta_tables(deltas: pd.DataFrame) -> list[Table]:
    return [
        _table(
            f"{machine}{_against(cells)}",
            cells,
            [cell_column(cells)],
            delta_columns(cells),
        )
        for machine, cells in deltas.groupby("machine", sort=False)
    ]


def make_environment_table(environments: pd.DataFrame) -> Table:
    """The table of environments: rounds of different environments are never averaged together."""
    headings = ["environment", "device", "torch_env", "PyTorch", "Python", "commit", "sweeps"]
    rows = [
        [
            *(row.env, row.device, row.torch_env, row.torch, row.python, row.commit),
            *(join_sweeps(row.sweeps), str(row.rounds), _short_fingerprint(row.fingerprint)),
        ]
        for row in list_rows(environments, EnvironmentRow)
    ]
    return Table(
        title="Environments (never averaged together)",
        headings=[*headings, "rounds", "fingerprint"],
        rows=rows,
        numeric=frozenset({"rounds"}),
    )


def _short_fingerprint(fingerprint: str) -> str:
    return fingerprint if " " in fingerprint else fingerprint[:_FINGERPRINT_SHOWN]


def _table(title: str, cells: pd.DataFrame, naming: list[Column], described: list[Column]) -> Table:
    """One row per cell: the columns ``naming`` it, then those ``described``."""
    rows = list_rows(cells, AnsweredRow)
    naming = keep_filled(naming, rows)
    columns = [*naming, *keep_filled(described, rows)]
    return Table(
        title=title,
        headings=[column.heading for column in columns],
        rows=[[column.text(row) for column in columns] for row in rows],
        numeric=frozenset(column.heading for column in columns if column.numeric),
        bold=frozenset(at for at, row in enumerate(rows) if row.best),
        num_naming=len(naming),
    )


def _against(cells: pd.DataFrame) -> str:
    """The baseline for the title; if there are several, they have a column instead."""
    baselines = list(dict.fromkeys(cells["baseline"]))
    return f": against {baselines[0]}" if len(baselines) == 1 and baselines[0] else ""


def _several(environments: pd.DataFrame) -> list[Table]:
    """The table of environments, if there is more than one."""
    return [make_environment_table(environments)] if len(environments) > 1 else []
