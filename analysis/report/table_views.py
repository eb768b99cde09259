"""Tables as a page shows them: one cell that names the row, the verdict beside it, then numbers."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from itertools import accumulate, takewhile

from analysis.tables.columns import VERDICT
from analysis.tables.page import Page, Table

#: Rows of all tables together beyond this, or beyond so many characters, are in the CSV only.
_MOST_ROWS, _MOST_CHARACTERS = 3500, 1_400_000

#: Characters that a cell of a table costs in HTML besides its text.
_CELL_MARKUP = 24

_NUMBER = re.compile(r"[<+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?: ?[%x†‡§~]+)*")

#: A verdict, and in brackets what would decide.
_VERDICT = re.compile(r"(?P<word>[^()]*?)(?: \((?P<detail>.*)\))?")

#: How a verdict's word is coloured; other words stand for something that went wrong.
KINDS = {
    "faster": "faster",
    "slower": "slower",
    "same": "same",
    "baseline": "plain",
    "unclear": "open",
    "too few rounds": "open",
    "no claim": "doubted",
    "-": "",
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
    """The entries of a row; that of the fastest cell is ``best``."""

    name: Entry
    entries: list[Entry]
    best: bool


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as it is shown: the first heading is that of the rows' names."""

    title: str
    headings: list[Heading]
    rows: list[Row]


def view_table(table: Table) -> TableView:
    """The table with its naming columns as one."""
    naming, others = slice(0, table.num_naming), range(table.num_naming, len(table.headings))
    headings = [Heading(name_column(table), False, False)] + [
        Heading(name, name in table.numeric, sorted_as_number(table, at))
        for at, name in enumerate(table.headings)
        if at in others
    ]
    rows = [
        Row(
            _name(table.headings[naming], row[naming]),
            [_entry(table.headings[at], row[at]) for at in others],
            number in table.bold,
        )
        for number, row in enumerate(table.rows)
    ]
    return TableView(table.title, headings, rows)


def name_column(table: Table) -> str:
    """The heading of the column that names the rows: what the last naming column holds."""
    return table.headings[table.num_naming - 1]


def _name(headings: list[str], texts: list[str]) -> Entry:
    """The series, and below it where it was measured."""
    places = (
        f"{heading} {text}" for heading, text in zip(headings[:-1], texts[:-1], strict=True)
    )
    return Entry(texts[-1], ", ".join(places))


def _entry(heading: str, text: str) -> Entry:
    if heading != VERDICT:
        return Entry(text)
    found = _VERDICT.fullmatch(text)
    assert found is not None
    return Entry(found["word"], found["detail"] or "", classify(found["word"]))


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
