"""The console that all screens are printed on."""

from __future__ import annotations

import os

from rich.console import Console


def make_console() -> Console:
    """A console that never cuts off what goes to a file or a pipe."""
    console = _Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else _Console(highlight=False, width=160)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read the output is gone (``| head``): go on measuring, and say no more."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
