"""A worker's output: what it prints, and what it reports. Neither is trusted."""

from __future__ import annotations

import json
import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

#: How much of the printed output is kept, at its beginning and at its end each.
_KEPT_BYTES = 2**23
#: The most that is read at a time, so that flooding one pipe does not delay the other.
_MOST_AT_ONCE = 2**20
_CHUNK_BYTES = 2**16
#: A report is one line; the longest ones hold the facts of an environment.
_LONGEST_REPORT = 2**20
_LONGEST_PHASE = 100


class _Pipe:
    """A pipe whose reading end never blocks; ``write_fd`` is for the process that writes."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.is_at_end = False

    def read(self) -> bytes:
        """The bytes that are there now, about ``_MOST_AT_ONCE`` at most."""
        chunks: list[bytes] = []
        while sum(map(len, chunks)) < _MOST_AT_ONCE:
            try:
                chunk = os.read(self.read_fd, _CHUNK_BYTES)
            except BlockingIOError:
                break
            self.is_at_end = not chunk
            if self.is_at_end:
                break
            chunks.append(chunk)
        return b"".join(chunks)

    def close_write_end(self) -> None:
        os.close(self.write_fd)

    def close(self) -> None:
        os.close(self.read_fd)


class OutputLog(_Pipe):
    """Writes what a worker prints to the file ``path``, with bounded size.

    The middle of more than twice ``_KEPT_BYTES`` is left out. Raises OSError if the file cannot be
    created; output that cannot be written later is lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("wb", buffering=0)
        super().__init__()
        self._num_bytes = 0
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0

    def drain(self) -> None:
        """Read what has been printed."""
        chunk = self.read()
        room = max(0, _KEPT_BYTES - self._num_bytes)
        self._num_bytes += len(chunk)
        with suppress(OSError):
            self._stream.write(chunk[:room])
        if chunk[room:]:
            self._tail.append(chunk[room:])
            self._tail_bytes += len(chunk[room:])
        while self._tail_bytes - len(self._tail[0] if self._tail else b"") > _KEPT_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    def close(self) -> None:
        """Read the rest, and write the end that was held back."""
        self.drain()
        super().close()
        end = b"".join(self._tail)[-_KEPT_BYTES:]
        left_out = self._num_bytes - _KEPT_BYTES - len(end)
        with suppress(OSError), self._stream:
            if left_out > 0:
                self._stream.write(f"\n[{left_out} bytes left out]\n".encode())
            self._stream.write(end)

    def last(self, num_bytes: int) -> str:
        """The last ``num_bytes`` of the closed file, as text."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - num_bytes))
                return stream.read(num_bytes).decode(errors="replace")
        except OSError:
            return ""

    def discard(self) -> None:
        """Remove the closed file."""
        self._path.unlink(missing_ok=True)

    @property
    def is_empty(self) -> bool:
        return self._num_bytes == 0


class Reports(_Pipe):
    """A worker's reports: its phases, that its record is kept, its environment.

    ``fault`` describes the first message that a worker never sends; reports after it are ignored.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_kept = False
        self.environment: dict[str, Any] | None = None
        self.fault: str | None = None
        self._pending = b""

    def hear(self) -> list[str]:
        """Read new reports; the phases that the worker has entered since the last call."""
        *lines, self._pending = (self._pending + self.read()).split(b"\n")
        if len(self._pending) > _LONGEST_REPORT:
            lines, self._pending = [*lines, self._pending], b""
        phases = []
        for line in lines:
            if self.fault is None and (phase := self._take(line)) is not None:
                phases.append(phase)
        return phases

    def _take(self, line: bytes) -> str | None:
        try:
            message = json.loads(line.decode())
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"phase": str(phase)} if phase.isprintable() and len(phase) <= _LONGEST_PHASE:
                return phase
            case {"kept": True}:
                self.is_kept = True
            case {"environment": {"fingerprint": str()} as environment}:
                self.environment = environment
            case _:
                self.fault = f"its report pipe holds {line[:40]!r}, which a worker never sends"
        return None
