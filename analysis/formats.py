"""Numbers and tables as text: on the screen and in Markdown."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from rich.box import ASCII, SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

#: Spaces between two columns on a terminal.
_BETWEEN_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for people: everything is text already; ``bold`` names rows by their index."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    numeric: frozenset[str] = frozenset()
    bold: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Tables that belong together, with the sentences that stand below them."""

    title: str
    tables: list[Table]
    notes: list[str] = field(default_factory=list)


def seconds(value: float) -> str:
    """Seconds with about four significant digits; ``-`` for NaN."""
    if math.isnan(value):
        return "-"
    if value != 0 and abs(value) < 0.01:
        return f"{value:.2e}"
    decimals = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
    return f"{value:.{decimals}f}"


def percent(value: float) -> str:
    """A signed percentage with one decimal; ``-`` for NaN."""
    if math.isnan(value):
        return "-"
    text = f"{value:+.1f} %"
    return "0.0 %" if text in ("+0.0 %", "-0.0 %") else text


def factor(value: float) -> str:
    """A speed-up such as ``1.31x``; ``-`` for NaN."""
    return "-" if math.isnan(value) else f"{value:.2f}x"


def to_markdown(page: Page) -> str:
    """The page as GitHub Markdown."""
    blocks = [f"# {_escape(page.title)}"]
    for table in page.tables:
        rule = ["--:" if heading in table.numeric else ":--" for heading in table.headings]
        rows = [
            [_stressed(_escape(cell)) if at in table.bold else _escape(cell) for cell in row]
            for at, row in enumerate(table.rows)
        ]
        lines = [[_escape(heading) for heading in table.headings], rule, *rows]
        blocks.append(f"## {_escape(table.title)}")
        blocks.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    blocks += [_escape(note) for note in page.notes]
    return "\n\n".join(blocks) + "\n"


def print_page(page: Page, console: Console) -> None:
    """Print the page; nothing is cut off, and no line is wrapped where there is no terminal."""
    for table in page.tables:
        console.print(Text(table.title, style="bold"))
        console.print(_on_screen(table, console))
        console.print()
    for note in page.notes:
        console.print(Text(note))


def _on_screen(table: Table, console: Console) -> RichTable:
    columns = list(zip(table.headings, *table.rows, strict=True))
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
    for at, row in enumerate(table.rows):
        stressed = at in table.bold
        cells = row if console.is_terminal or not stressed else [_stressed(cell) for cell in row]
        shown.add_row(*map(Text, cells), style="bold" if stressed else "")
    return shown


def _stressed(cell: str) -> str:
    """Bold where there is only text."""
    return f"**{cell}**" if cell else cell


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


def _escape(text: str) -> str:
    """Text that Markdown shows as it is; an underscore inside of a word is no markup."""
    for sign in ("\\", "|", "<", "*", "`"):
        text = text.replace(sign, "\\" + sign)
    return re.sub(r"\b_|_\b|(?<=])\(", r"\\\g<0>", text)
