"""Tables on a terminal or as plain text, in one style for both commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.box import ASCII, SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sd_bench.errors import printable

#: Spaces between two columns on a terminal.
_BETWEEN_COLUMNS = 2

#: A console width at which no row of a table is broken in a file.
_UNBROKEN = 1_000_000

#: The most characters that are shown of a cell.
_LONGEST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenTable:
    """A table of text.

    ``numeric`` holds the headings of right-aligned columns, ``bold`` the indices of bold rows.
    ``styles`` maps a cell's whole text to its style.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = frozenset()
    bold: frozenset[int] = frozenset()
    styles: Mapping[str, str] = field(default_factory=dict)


def draw_table(table: ScreenTable, console: Console, wraps: bool = True) -> RichTable:
    """The table for printing, with cells wrapped at spaces so that it fits the console.

    With ``wraps=False`` cells are wrapped only on a terminal; elsewhere each row is one line.
    """
    table = replace(table, rows=[[printable(cell, _LONGEST) for cell in row] for row in table.rows])
    columns = list(zip(table.headings, *table.rows, strict=True))
    may_wrap = wraps or console.is_terminal
    shown = RichTable(
        box=SIMPLE_HEAD if console.is_terminal else ASCII,
        show_edge=not console.is_terminal,
        padding=(0, _BETWEEN_COLUMNS - 1, 0, 0) if console.is_terminal else (0, 1),
        pad_edge=not console.is_terminal,
    )
    widths: list[int | None] = [None] * len(columns)
    if may_wrap:
        widths = _widths(columns, table.numeric, _room(len(columns), console))
    for column, width in zip(columns, widths, strict=True):
        shown.add_column(
            Text(column[0]),
            justify="right" if column[0] in table.numeric else "left",
            overflow="fold",
            width=width,
            no_wrap=not may_wrap,
        )
    for at, row in enumerate(table.rows):
        stressed = at in table.bold
        if stressed and not console.is_terminal:
            row = [f"**{cell}**" if cell else cell for cell in row]
        cells = (Text(cell, style=table.styles.get(cell, "")) for cell in row)
        shown.add_row(*cells, style="bold" if stressed else "")
    return shown


def print_unbroken(table: ScreenTable, console: Console) -> None:
    """Print a wide table, wrapped on a terminal and with one line per row elsewhere."""
    drawn, width = draw_table(table, console, wraps=False), console.width
    if not console.is_terminal:
        console.width = _UNBROKEN
    console.print(drawn)
    if not console.is_terminal:
        console.width = width


def _room(num_columns: int, console: Console) -> int:
    """The number of characters that are available for all columns together."""
    if console.is_terminal:
        return console.width - _BETWEEN_COLUMNS * (num_columns - 1)
    return console.width - 3 * num_columns - 1


def _widths(
    columns: Sequence[Sequence[str]], numeric: frozenset[str], room: int
) -> list[int | None]:
    """Column widths with which lines break only at spaces, and numbers last.

    All are ``None`` if nothing needs to be wrapped, or if even the longest words do not fit.
    """
    full = [max(cell_len(cell) for cell in column) for column in columns]
    words = [[word for cell in column for word in cell.split()] for column in columns]
    widths = [max(map(cell_len, of_column), default=0) for of_column in words]
    if not sum(widths) <= room < sum(full):
        return [None] * len(columns)
    for at in sorted(range(len(columns)), key=lambda at: columns[at][0] not in numeric):
        widths[at] += min(full[at] - widths[at], room - sum(widths))
    return [*widths]
