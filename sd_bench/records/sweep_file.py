"""``sweep.json``, which marks a folder as a sweep's and stores the arguments that started it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct, structs

from sd_bench.errors import ConfigError
from sd_bench.records.files import write_atomically
from sd_bench.regular_files import UnusableFileError, read_json

#: The file that marks a folder as a sweep's. It is written atomically.
MARKER = "sweep.json"
#: In bytes; a command line has at most about 2 MB.
_LARGEST = 2**24
#: The file that marks a folder whose records came in a bundle.
_PACKED = ".packed"


class _Marker(Struct, frozen=True, kw_only=True):
    started_at: str
    arguments: list[str]


def is_sweep(folder: Path) -> bool:
    """Whether ``folder`` is marked as a sweep's."""
    return (folder / MARKER).exists()


def start_sweep(folder: Path, arguments: Sequence[str]) -> None:
    """Mark ``folder`` as that of a sweep started with ``arguments``. Raises OSError."""
    now = datetime.now(timezone.utc).isoformat()
    marker = _Marker(started_at=now, arguments=list(arguments))
    write_atomically(folder / MARKER, json.dumps(structs.asdict(marker), indent=1) + "\n")


def mark_as_packed(folder: Path) -> None:
    """Mark ``folder`` as holding records from a bundle, to which no command adds rounds."""
    (folder / _PACKED).touch()


def is_packed(folder: Path) -> bool:
    """Whether the records in the sweep's ``folder`` came in a bundle."""
    return (folder / _PACKED).exists()


def started_with(folder: Path) -> list[str] | None:
    """The arguments that last started the sweep in ``folder``; ``None`` if there is no sweep.

    Raises ConfigError if they cannot be read.
    """
    found = _read_marker(folder / MARKER)
    return None if found is None else found.arguments


def stored_scale(folder: Path) -> str | None:
    """The scale of the sweep in ``folder``, whether typed or chosen for it; ``None`` if unknown."""
    named = [a for a in started_with(folder) or [] if a.startswith("scale=")]
    return named[-1].partition("=")[2] if named else None


def newest_sweep(root: Path) -> Path | None:
    """The most recently started sweep in ``root`` or up to two folders below; ``None`` if none."""
    markers = (
        m for pattern in (MARKER, f"*/{MARKER}", f"*/*/{MARKER}") for m in root.glob(pattern)
    )
    dated = (
        (found.started_at, m.parent) for m in markers if (found := _read_marker(m)) is not None
    )
    return max(dated, default=(None, None))[1]


def _read_marker(marker: Path) -> _Marker | None:
    if not marker.exists():
        return None
    try:
        found: _Marker = read_json(marker, _LARGEST, _Marker)
        return found
    except UnusableFileError:
        raise ConfigError(
            f"{marker}: cannot be read; give the sweep's arguments and hydra.sweep.dir=FOLDER again"
        ) from None
