"""Standard streams that are closed or cannot take more, such as ``> log`` on a full disk.

What was measured must not be lost because nobody can read about it: the command goes on, says once
on stderr that the rest of its output is dropped, and ends with exit code 2 instead of 0.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

_USAGE = 2


class _Raw(io.FileIO):
    """A standard stream; after a write has failed, everything goes to the null device."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._label = name
        self.is_lost = False

    def write(self, data: object, /) -> int:
        """Write the bytes, or drop them. Raises BrokenPipeError: a reader that goes is no fault."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            raise
        except OSError as error:
            self._lose(error.strerror or str(error))
            return super().write(data)  # type: ignore[arg-type]

    def _lose(self, why: str) -> None:
        self.is_lost = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if self._label != "stderr":
            with suppress(OSError, ValueError):
                print(f"{self._label}: {why}; the rest of the output is dropped", file=sys.stderr)


def guarded(main: Callable[[], int]) -> int:
    """Run a program's ``main`` with streams that cannot end it; returns its exit code.

    The code is 2 instead of 0 if output was lost.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    _open_closed()
    raws = [_guard("stdout"), _guard("stderr")]
    leaving: SystemExit | None = None
    try:
        code = main()
    except SystemExit as exit_:  # argparse leaves so after --help
        leaving, code = exit_, 0
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before
    is_lost = any(raw is not None and raw.is_lost for raw in raws)
    if leaving is not None and (leaving.code or not is_lost):
        raise leaving
    return _USAGE if code == 0 and is_lost else code


def _open_closed() -> None:
    """Open what was closed at the start, so that no other file gets its number."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            stream = open(descriptor, "w" if descriptor else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _guard(name: str) -> _Raw | None:
    stream: TextIO = getattr(sys, name)
    if not isinstance(stream, io.TextIOWrapper):  # a notebook's, or a test's
        return None
    try:
        raw = _Raw(stream.fileno(), name)
    except (OSError, ValueError):
        return None
    stream.flush()
    guard = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    setattr(sys, name, guard)
    return raw
