"""The console for all output; a command goes on if its reader closes the pipe (``| head``)."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import IO

from rich.console import Console

from sd_bench.screens.lines import choose_width, is_notebook


def make_console() -> Console:
    """A console on stdout that never truncates what goes to a file or a pipe."""
    console = _Console(
        highlight=False,
        markup=False,
        emoji=False,
        force_jupyter=False,
        force_terminal=False if is_notebook() else None,  # a kernel's variables may claim one
    )
    if (width := choose_width(console.is_terminal)) is not None:
        console.width = width
    return console


def say(text: str, stream: IO[str] | None = None) -> None:
    """Print a line on ``stream``, by default stdout, and ignore a closed pipe."""
    stream = sys.stdout if stream is None else stream
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _give_up(stream)


def is_reader_gone() -> bool:
    """Whether the reader of stdout or stderr is gone; if so, its remaining output is dropped."""
    gone = [stream for stream in (sys.stdout, sys.stderr) if _has_no_reader(stream)]
    for stream in gone:
        _give_up(stream)
    return bool(gone)


def _has_no_reader(stream: IO[str]) -> bool:
    try:
        stream.flush()
        poll = select.poll()
        poll.register(stream.fileno(), 0)
    except BrokenPipeError:
        return True
    except (OSError, ValueError):  # the stream has no file descriptor
        return False
    return any(happened & (select.POLLERR | select.POLLHUP) for _, happened in poll.poll(0))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Drop further output instead of ending the program."""
        _give_up(self.file)


def _give_up(stream: IO[str]) -> None:
    """Redirect ``stream``, with what is still in its buffer, to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    with suppress(BrokenPipeError):
        stream.flush()
