"""Show how far a command is while it has no results yet, if that takes more than a moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from sd_bench.screens.bars import draws_in_place, make_bar
from sd_bench.screens.lines import choose_width, is_notebook, print_line

_Item = TypeVar("_Item")

#: No message is shown for this many seconds.
_MOMENT_S = 2.0
#: Fewer items than this are done soon, even on a busy machine.
_FEW = 20
#: Seconds between two updates of the bar.
_REFRESH_S = 0.2


def counted(
    items: Sequence[_Item],
    what: str,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[_Item, None, None]:
    """Yield ``items`` and, after two seconds, show how many are done: ``312 of 1000 cells``.

    On a terminal and in a notebook this is a bar, which disappears at the end; elsewhere it is a
    line, repeated each time that the elapsed time has doubled. It goes to standard error unless
    ``console`` is given. Close the generator (``contextlib.closing``), so that the bar is gone
    before an error is printed.
    """
    console = console or _error_console()
    began = clock()
    due = began + (_MOMENT_S if len(items) >= _FEW else math.inf)
    is_redrawn = draws_in_place(console)
    with ExitStack() as shown:
        bar: Progress | None = None
        for done, item in enumerate(items):
            now = clock()
            if now >= due and is_redrawn:
                if bar is None:
                    bar = shown.enter_context(_bar(what, len(items), console))
                bar.update(bar.task_ids[0], completed=done, refresh=True)
                due = now + _REFRESH_S
            elif now >= due:
                print_line(console, f"{done} of {len(items)} {what}")
                due = now + (now - began)
            yield item


def _bar(what: str, total: int, console: Console) -> Progress:
    bar = make_bar(console, "", what)
    bar.add_task("", total=total)
    return bar


def _error_console() -> Console:
    console = Console(
        stderr=True,
        highlight=False,
        force_jupyter=False,
        force_terminal=False if is_notebook() else None,
    )
    if (width := choose_width(console.is_terminal)) is not None:
        console.width = width
    return console
