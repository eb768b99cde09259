"""Tables as a page shows them: a cell that names the row, the verdict, then the numbers."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from itertools import accumulate, takewhile

from analysis.tables.columns import DECIDES, VERDICT
from analysis.tables.page import Page, Table
from sd_bench.verdicts.answers import IS_BASELINE, NO_BASELINE, NO_CLAIM

#: Most rows and most characters of all tables together; beyond them, rows are only in the CSV.
_MOST_ROWS, _MOST_CHARACTERS = 3500, 1_400_000

#: Characters of HTML markup per cell of a table.
_CELL_MARKUP = 24

_NUMBER = re.compile(r"[<+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?: ?[%x†‡§~◊▲]+)*")

#: Texts longer than this may be wrapped.
_LONG = 24

#: The class that colours the word of a verdict; other words mean that something went wrong.
_KINDS = {
    "faster": "faster",
    "slower": "slower",
    "same": "same",
    "unclear": "open",
    "too few rounds": "open",
    NO_CLAIM: "doubted",
    NO_BASELINE: "plain",
    IS_BASELINE: "plain",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell: its text, smaller text below it, and its CSS class."""

    text: str
    detail: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's name, whether it is aligned right, and whether it is sorted by its numbers."""

    text: str
    numeric: bool
    sorted_as_number: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its name; ``kind`` is ``best`` for the fastest cell, ``baseline`` for a baseline."""

    name: str
    entries: list[Entry]
    kind: str


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as shown; the first heading is that of the rows' names."""

    title: str
    headings: list[Heading]
    rows: list[Row]


def view_table(table: Table) -> TableView:
    """The table with its naming columns joined, and what would decide below the verdict."""
    named = table.num_naming
    shown = [at for at in range(named, len(table.headings)) if table.headings[at] != DECIDES]
    headings = [Heading(table.headings[0] if named == 1 else "cell", False, False)]
    for at in shown:
        text = table.headings[at]
        headings.append(Heading(text, text in table.numeric, sorted_as_number(table, at)))
    rows = [
        Row(
            _name(table.headings[:named], row[:named]),
            [_entry(table, row, at) for at in shown],
            _classify_row(table, number),
        )
        for number, row in enumerate(table.rows)
    ]
    return TableView(table.title, headings, rows)


def _name(headings: list[str], texts: list[str]) -> str:
    """The series, then where it was measured: ``flash, batch size 4``."""
    places = zip(headings[:-1], texts[:-1], strict=True)
    return ", ".join([texts[-1], *(f"{heading} {text}" for heading, text in places)])


def _entry(table: Table, row: list[str], at: int) -> Entry:
    heading, text = table.headings[at], row[at]
    if heading == VERDICT:
        decides = row[table.headings.index(DECIDES)] if DECIDES in table.headings else ""
        return Entry(text, _say_decides(decides), classify(text))
    if heading in table.numeric:
        return Entry(text, kind="number")
    return Entry(text, kind="long" if len(text) > _LONG else "")


def _say_decides(rounds: str) -> str:
    if not rounds:
        return ""
    return f"needs {rounds}" if rounds.startswith("at least") else f"{rounds} would decide"


def _classify_row(table: Table, number: int) -> str:
    if number in table.bold:
        return "best"
    verdicts = table.headings.index(VERDICT) if VERDICT in table.headings else None
    is_baseline = verdicts is not None and table.rows[number][verdicts] == IS_BASELINE
    return "baseline" if is_baseline else ""


def classify(word: str) -> str:
    """The class that colours a verdict's word; empty without a word."""
    return _KINDS.get(word, "failed") if word else ""


def sorted_as_number(table: Table, column: int) -> bool:
    """Whether a column is sorted by its numbers: its other texts must not begin like numbers.

    So parity is, which has "reference" among its numbers; a note is not, as it may begin with "2 of
    6 rounds".
    """
    if table.headings[column] in table.numeric:
        return True
    texts = [row[column] for row in table.rows]
    numbers = [text for text in texts if _NUMBER.fullmatch(text)]
    return bool(numbers) and not any(t[:1].isdigit() for t in texts if not _NUMBER.fullmatch(t))


def shorten_pages(pages: list[Page]) -> list[Page]:
    """The pages with as many rows as fit, and notes on what is missing."""
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
        shortened.append(dataclasses.replace(page, tables=tables, notes=notes))
    return shortened
