"""Print lines that wrap only at spaces, so that commands and paths can be copied whole."""

from __future__ import annotations

import builtins
import os
import textwrap

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sd_bench.errors import printable

#: The width of lines if the output is not a terminal.
_WIDTH_OF_A_FILE = 100

_INDENT = "  "
_LONGEST = 10_000


def is_notebook() -> bool:
    """Whether the program runs in a notebook's kernel: not a terminal, but it can redraw output."""
    shell = getattr(builtins, "get_ipython", lambda: None)()
    return "ZMQInteractiveShell" in {kind.__name__ for kind in type(shell).__mro__}


def choose_width(is_terminal: bool) -> int | None:
    """The width to set for a console; ``None`` if the terminal or ``COLUMNS`` determines it."""
    columns = os.environ.get("COLUMNS", "")
    if is_terminal or (columns.isdecimal() and int(columns) > 0):
        return None
    return _WIDTH_OF_A_FILE


def print_line(console: Console, text: str, copied: str = "", style: str = "") -> None:
    """Print a sentence and, after or below it, the command or path ``copied``, never broken.

    ``text`` is wrapped at spaces only; a word longer than the line, such as a path, stays whole.
    """
    text, copied = printable(text, _LONGEST), printable(copied, _LONGEST)
    whole = f"{text} {copied}" if copied else text
    if cell_len(whole) <= console.width:
        lines = [whole]
    else:
        lines = wrap(text, console.width) + ([f"{_INDENT}{copied}"] if copied else [])
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def wrap(text: str, width: int) -> list[str]:
    """``text`` broken into lines at spaces only; all but the first are indented."""
    return textwrap.wrap(
        text, width, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
