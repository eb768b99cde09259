"""What a sweep was started with: ``sweep.json`` in its folder, which makes the folder a sweep's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct, structs

from sd_bench.errors import ConfigError
from sd_bench.records.files import write_atomically
from sd_bench.regular_files import UnusableFileError, read_json

#: What says that a folder is a sweep's. It is written whole or not at all.
MARKER = "sweep.json"
#: Bytes: a command line has at most some 2 MB.
_LARGEST = 2**24
#: What says that the records in a folder came in a bundle.
_PACKED = ".packed"


class _Marker(Struct, frozen=True, kw_only=True):
    started_at: str
    arguments: list[str]


def is_sweep(folder: Path) -> bool:
    return (folder / MARKER).exists()


def start_sweep(folder: Path, arguments: Sequence[str]) -> None:
    """Make ``folder`` the sweep's that was started with ``arguments``. Raises OSError."""
    now = datetime.now(timezone.utc).isoformat()
    marker = _Marker(started_at=now, arguments=list(arguments))
    write_atomically(folder / MARKER, json.dumps(structs.asdict(marker), indent=1) + "\n")


def mark_as_packed(folder: Path) -> None:
    """Say of ``folder`` that its records came in a bundle: no command adds rounds to them."""
    (folder / _PACKED).touch()


def is_packed(folder: Path) -> bool:
    """Whether the records in the sweep's ``folder`` came in a bundle."""
    return (folder / _PACKED).exists()


def started_with(folder: Path) -> list[str] | None:
    """The arguments that the sweep in ``folder`` was last started with; ``None`` if there is none.

    Raises ConfigError if they do not read.
    """
    found = _read_marker(folder / MARKER)
    return None if found is None else found.arguments


def stored_scale(folder: Path) -> str | None:
    """The scale that the sweep in ``folder`` was started with, or that was chosen for it."""
    named = [a for a in started_with(folder) or [] if a.startswith("scale=")]
    return named[-1].partition("=")[2] if named else None


def newest_sweep(root: Path) -> Path | None:
    """The sweep that was started last, among those in ``root`` and in the folders inside it."""
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
