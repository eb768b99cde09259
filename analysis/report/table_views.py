"""Tables as a page shows them: one cell that names the row, the verdict beside it, then numbers."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from itertools import accumulate, takewhile

from analysis.tables.columns import DECIDES, VERDICT
from analysis.tables.page import Page, Table

#: Rows of all tables together beyond this, or beyond so many characters, are in the CSV only.
_MOST_ROWS, _MOST_CHARACTERS = 3500, 1_400_000

#: Characters that a cell of a table costs in HTML besides its text.
_CELL_MARKUP = 24

_NUMBER = re.compile(r"[<+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?: ?[%x†‡§~]+)*")

#: How a verdict's word is coloured; other words stand for something that went wrong.
KINDS = {
    "faster": "faster",
    "slower": "slower",
    "same": "same",
    "baseline": "plain",
    "unclear": "open",
    "too few rounds": "open",
    "no claim": "doubted",
    "no baseline": "plain",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell: its text, smaller text below it, and the class that it is shown as."""

    text: str
    detail: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's name, whether its numbers stand on the right, and whether they sort it."""

    text: str
    numeric: bool
    sorted_as_number: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its name; that of the fastest cell is ``best``."""

    name: str
    entries: list[Entry]
    best: bool


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as it is shown: the first heading is that of the rows' names."""

    title: str
    headings: list[Heading]
    rows: list[Row]


def view_table(table: Table) -> TableView:
    """The table with its naming columns as one, and what would decide below the verdict."""
    naming = table.num_naming
    shown = [at for at in range(naming, len(table.headings)) if table.headings[at] != DECIDES]
    headings = [Heading(table.headings[0] if naming == 1 else "cell", False, False)] + [
        Heading(
            table.headings[at], table.headings[at] in table.numeric, sorted_as_number(table, at)
        )
        for at in shown
    ]
    rows = [
        Row(
            _name(table.headings[:naming], row[:naming]),
            _entries(
                dict(zip(table.headings, row, strict=True)), [table.headings[a] for a in shown]
            ),
            number in table.bold,
        )
        for number, row in enumerate(table.rows)
    ]
    return TableView(table.title, headings, rows)


def _name(headings: list[str], texts: list[str]) -> str:
    """The series, then where it was measured: ``flash, batch size 4``."""
    places = zip(headings[:-1], texts[:-1], strict=True)
    return ", ".join([texts[-1], *(f"{heading} {text}" for heading, text in places)])


def _entries(row: dict[str, str], headings: list[str]) -> list[Entry]:
    return [
        Entry(row[name], row.get(DECIDES, ""), classify(row[name]))
        if name == VERDICT
        else Entry(row[name])
        for name in headings
    ]


def classify(word: str) -> str:
    """The class that a verdict's word is coloured by; empty without a word."""
    return KINDS.get(word, "failed") if word else ""


def sorted_as_number(table: Table, column: int) -> bool:
    """Whether a column is sorted by its numbers: what is none has to look like none.

    So parity is, which has "reference" among its numbers, and a note is not, which may begin with
    "2 of 6 rounds".
    """
    if table.headings[column] in table.numeric:
        return True
    texts = [row[column] for row in table.rows]
    numbers = [text for text in texts if _NUMBER.fullmatch(text)]
    return bool(numbers) and not any(t[:1].isdigit() for t in texts if not _NUMBER.fullmatch(t))


def shorten_pages(pages: list[Page]) -> list[Page]:
    """The pages with as many rows as there is room for, and notes on what is missing."""
    rows, room, shortened = _MOST_ROWS, _MOST_CHARACTERS, []
    for page in pages:
        tables, notes = [], list(page.notes)
        for table in page.tables:
            costs = (sum(map(len, row)) + _CELL_MARKUP * len(row) for row in table.rows[:rows])
            costs_so_far = list(takewhile(room.__ge__, accumulate(costs)))
            fitting = len(costs_so_far)
            tables.append(dataclasses.replace(table, rows=table.rows[:fitting]))
            if len(table.rows) > fitting:
                notes.append(f"{table.title}: the first {fitting} of {len(table.rows)} rows.")
            rows -= fitting
            room -= max(costs_so_far, default=0)
        shortened.append(Page(title=page.title, tables=tables, notes=notes))
    return shortened
