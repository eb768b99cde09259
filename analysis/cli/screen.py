"""Pages on a terminal, or as plain text where there is none."""

from __future__ import annotations

from rich.box import ASCII, SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from analysis.tables.page import Page, Table

#: Rows of a table beyond this are in the files only.
_MOST_ROWS = 200

#: Spaces between two columns on a terminal.
_BETWEEN_COLUMNS = 2


def print_page(page: Page, console: Console) -> None:
    """Print the page, of a long table its begin; no line is wrapped where there is no terminal."""
    for table in page.tables:
        console.print(Text(table.title, style="bold"))
        console.print(_on_screen(table, console))
        if len(table.rows) > _MOST_ROWS:
            console.print(Text(f"The first {_MOST_ROWS} of {len(table.rows)} rows."))
        console.print()
    for note in page.notes:
        console.print(Text(note))


def _on_screen(table: Table, console: Console) -> RichTable:
    rows = table.rows[:_MOST_ROWS]
    columns = list(zip(table.headings, *rows, strict=True))
    shown = RichTable(
        box=SIMPLE_HEAD if console.is_terminal else ASCII,
        show_edge=not console.is_terminal,
        padding=(0, _BETWEEN_COLUMNS - 1, 0, 0) if console.is_terminal else (0, 1),
        pad_edge=not console.is_terminal,
    )
    for column, width in zip(columns, _widths(columns, console), strict=True):
        shown.add_column(
            Text(column[0]),
            justify="right" if column[0] in table.numeric else "left",
            overflow="fold",
            width=width,
            no_wrap=not console.is_terminal,
        )
    for at, row in enumerate(rows):
        stressed = at in table.bold
        plain = console.is_terminal or not stressed
        cells = row if plain else [f"**{cell}**" if cell else cell for cell in row]
        shown.add_row(*map(Text, cells), style="bold" if stressed else "")
    return shown


def _widths(columns: list[tuple[str, ...]], console: Console) -> list[int | None]:
    """Widths at which only spaces break lines; all ``None`` where there is no need, or no room."""
    full = [max(cell_len(cell) for cell in column) for column in columns]
    widths = [max(cell_len(w) for cell in column for w in cell.split()) for column in columns]
    room = console.width - _BETWEEN_COLUMNS * (len(columns) - 1)
    if not sum(widths) <= room < sum(full):
        return [None] * len(columns)
    for at, most in enumerate(full):
        widths[at] += min(most - widths[at], room - sum(widths))
    return [*widths]


def new_console() -> Console:
    """A console on stdout that is as wide as it needs to be where there is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 1_000_000
    return console
