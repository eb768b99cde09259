"""The table across machines: what several of them measured with equal choices, and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pandas as pd
from msgspec import structs

from analysis.comparison.deltas import name_cell
from analysis.comparison.flags import explain
from analysis.comparison.machines import Machines, MachinesRow, rate_at
from analysis.comparison.rows import DeltaRow
from analysis.formatting import seconds
from analysis.rows import list_rows, to_frame
from analysis.tables.columns import NOTHING, place_columns
from analysis.tables.page import Page, Table
from analysis.wording.answers import AnsweredRow
from analysis.wording.machines import (
    list_notes,
    list_shared,
    say_ratio,
    say_row,
    state_machines,
)
from analysis.wording.notes import note_scaling, note_shared, note_value
from sd_bench.statistics.runtime import typical_runtime

#: The title of the page, and of its table.
ACROSS = "Across machines"

#: The heading of a machine's column, with its name in place of ``MACHINE``.
_RATE = "MACHINE [images/s]"


def make_machines_page(machines: Machines) -> Page:
    """Every machine's images/s where they measured the same, the fastest and the ratio."""
    cells = frame_cells(machines)
    return Page(
        title=ACROSS,
        tables=[make_machines_table(machines)],
        notes=[
            *list_notes(machines),
            *note_shared(cells),
            note_value(cells),
            *explain(cells["flags"]),
            *note_scaling(cells),
        ],
        answer=state_machines(machines),
    )


def make_machines_table(machines: Machines) -> Table:
    """A row per set of choices that several machines measured."""
    places = _place_rows(machines)
    naming = place_columns(places)
    shared = list_shared(machines)
    said: dict[str, Callable[[MachinesRow], str]] = {
        **{_RATE.replace("MACHINE", name): partial(_rate, name=name) for name in machines.names},
        "fastest": lambda row: row.fastest or NOTHING,
        "times the slowest": say_ratio,
        "note": lambda row: "; ".join(text for text in say_row(row) if text not in shared),
    }
    columns = {heading: text for heading, text in said.items() if any(map(text, machines.rows))}
    return Table(
        title=ACROSS,
        headings=[*(column.heading for column in naming), *columns],
        rows=[
            [*(column.text(place) for column in naming), *(text(row) for text in columns.values())]
            for place, row in zip(list_rows(places, AnsweredRow), machines.rows, strict=True)
        ],
        numeric=frozenset(
            [
                *(column.heading for column in naming if column.numeric),
                *(heading for heading in columns if heading not in ("fastest", "note")),
            ]
        ),
        num_naming=len(naming),
    )


def frame_cells(machines: Machines) -> pd.DataFrame:
    """The cells of the table, each once, with the columns of `DeltaRow`."""
    cells = {name_cell(cell): cell for cell in machines.cells}
    return to_frame(cells.values(), DeltaRow)


def list_lines(machines: Machines) -> pd.DataFrame:
    """A line per row and machine, for CSV: the columns of `DeltaRow`, and those of the table.

    ``machines_row`` counts the rows from 1. ``times_slowest`` is this machine's speed as a multiple
    of the slowest one's in its row.
    """
    lines = [
        (number, row, cell)
        for number, row in enumerate(machines.rows, 1)
        for cell in row.cells.values()
    ]
    named = [structs.replace(cell, series=row.series) for _, row, cell in lines]
    return to_frame(named, DeltaRow).assign(
        machines_row=[number for number, _, _ in lines],
        typical_images_per_s=[rate_at(cell, cell.typical_s) for _, _, cell in lines],
        fastest=[row.fastest == cell.machine for _, row, cell in lines],
        times_slowest=[row.cells[row.slowest].typical_s / cell.typical_s for _, row, cell in lines],
        differs=["; ".join(say_row(row)) for _, row, _ in lines],
    )


def _place_rows(machines: Machines) -> pd.DataFrame:
    """One of the cells of each row, called as the row is, for the columns that name it."""
    rows = [
        structs.replace(row.first, machine="", env="", series=row.series) for row in machines.rows
    ]
    return to_frame(rows, DeltaRow)


def _rate(row: MachinesRow, name: str) -> str:
    """Images/s with the digits that the interval of the cell's typical runtime justifies."""
    cell = row.cells.get(name)
    if cell is None:
        return NOTHING
    found = typical_runtime(list(cell.runs.values()))
    low, rate, high = (rate_at(cell, s) for s in (found.high, found.seconds, found.low))
    known = not math.isnan(found.low)
    text = seconds(rate, low, high) if known else seconds(rate)
    return f"{text} {cell.flags}".rstrip()
