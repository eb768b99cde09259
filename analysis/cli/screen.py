"""Prints answers and pages on a terminal, or as plain text if the output is not one."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.text import Text

from analysis.comparison.flags import DRIFTING, THROTTLED, explain
from analysis.comparison.machines import rate_at
from analysis.comparison.rows import DeltaRow
from analysis.rows import list_rows
from analysis.tables.page import Page, Table
from analysis.wording.answers import compare_rows
from analysis.wording.notes import name_value
from sd_bench.screens.answers import ShownCell, print_answers
from sd_bench.screens.lines import print_line
from sd_bench.screens.tables import ScreenTable, print_unbroken
from sd_bench.verdicts.answers import answer_all

#: Rows of a table that are printed; the files have the others too.
_MOST_ROWS = 200


def print_deltas(deltas: pd.DataFrame, console: Console) -> None:
    """Print the answers of a table of `compare` as sentences and one table."""
    rows, compared = list_rows(deltas, DeltaRow), compare_rows(deltas)
    cells = [
        ShownCell(
            compared=each,
            answer=answer,
            runtime_s=row.cell_s,
            images_per_s=rate_at(row, row.cell_s),
            signs=_signs(row),
        )
        for row, each, answer in zip(rows, compared, answer_all(compared), strict=True)
    ]
    print_answers(cells, console, name_value(deltas).lower())
    for note in explain(cell.signs for cell in cells):
        print_line(console, note)


def _signs(row: DeltaRow) -> str:
    """The signs that no answer mentions."""
    return "".join(sign for sign in (THROTTLED, DRIFTING) if sign in row.flags)


def print_page(page: Page, console: Console) -> None:
    """Print the page, with long tables cut; rows are wrapped only on a terminal."""
    for table in page.tables:
        console.print(Text(table.title, style="bold"))
        print_unbroken(_to_screen(table), console)
        if len(table.rows) > _MOST_ROWS:
            console.print(Text(f"The first {_MOST_ROWS} of {len(table.rows)} rows."))
        console.print()
    for note in page.notes:
        print_line(console, note)


def _to_screen(table: Table) -> ScreenTable:
    return ScreenTable(
        headings=table.headings,
        rows=table.rows[:_MOST_ROWS],
        numeric=table.numeric,
        bold=table.bold,
    )
