"""The published flag ``--time_file``: one line per record, the runtime of its round in seconds.

Other commands may have written to the file before. The lines of a sweep are recognised by their
text alone: a runtime has so many digits that no two rounds have the same one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from sd_bench.regular_files import open_regular, open_to_append, read_bytes

#: In bytes: enough for some million lines.
_LARGEST = 2**26


def check_takes_lines(file: str | None) -> None:
    """Create the file if needed. Raises OSError, with its name, if it cannot be written."""
    _append(file, b"")


def add_time(file: str | None, runtime_s: float | None) -> None:
    """Append the line of a new record. Raises OSError, with the file's name."""
    if file is not None and runtime_s is not None:
        begin = b"" if _ends_a_line(Path(file)) else b"\n"
        _append(file, begin + _line(runtime_s))


def add_missing_times(records: Iterable[tuple[str | None, float | None]]) -> None:
    """Append the lines that a killed command did not get to write, so that each record has one.

    ``records`` has the file and runtime of every record. Raises OSError, with a file's name.
    """
    wanted: dict[str, list[bytes]] = defaultdict(list)
    for file, runtime_s in records:
        if file is not None and runtime_s is not None:
            wanted[file].append(_line(runtime_s))
    for file, lines in wanted.items():
        *whole, torn = read_bytes(Path(file), _LARGEST).split(b"\n")
        there = Counter(line + b"\n" for line in whole)
        missing = []
        for line in lines:
            if there[line]:
                there[line] -= 1
            else:
                missing.append(line)
        begun = next((line for line in missing if torn and line.startswith(torn)), None)
        if begun is not None:
            missing.remove(begun)
            missing.insert(0, begun.removeprefix(torn))
        elif torn and missing:
            missing.insert(0, b"\n")
        _append(file, b"".join(missing))


def _line(runtime_s: float) -> bytes:
    return f"{runtime_s}\n".encode()


def _ends_a_line(file: Path) -> bool:
    """Whether the file is missing, empty, or ends with a newline."""
    if not file.exists() or file.stat().st_size == 0:
        return True
    with open_regular(file, 2**62) as stream:
        stream.seek(-1, 2)
        return stream.read(1) == b"\n"


def _append(file: str | None, text: bytes) -> None:
    if file is None:
        return
    try:
        with open_to_append(Path(file)) as stream:
            stream.write(text.decode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, file) from None
