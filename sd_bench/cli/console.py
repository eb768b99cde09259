"""The console that all screens are printed on."""

from __future__ import annotations

import os

from rich.console import Console

from sd_bench.screens.lines import choose_width


def make_console() -> Console:
    """A console that never cuts off what goes to a file or a pipe."""
    console = _Console(highlight=False)
    if (width := choose_width(console.is_terminal)) is not None:
        console.width = width
    return console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read the output is gone (``| head``): go on measuring, and say no more."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
