"""The rows of a race, one per candidate, and the file that keeps them.

They hold times of UNet calls in long-lived processes, which are not rounds. So they are in a file
with a different name, which nothing reads as records.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_bench.records import write_atomically
from sd_bench.regular_files import UnusableFileError, read_json
from sd_bench.tuning.candidates import name_overrides

KIND = "sd_bench.screening"
SCHEMA_VERSION = 1
FILE = "screening.json"
_LARGEST = 2**24

#: The workload without overrides; faster than its base; not faster.
BASE, IN, OUT = "default", "in", "out"
#: Not started; another tune may have the time for it.
NOT_TRIED = "not tried"
#: Statuses during the race.
WAITING, STARTING, RACING = "waiting", "starting", "racing"
_TIMED = (BASE, IN, OUT)
_UNDER_WAY = (WAITING, STARTING, RACING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A candidate: ``overrides`` on top of the workload's, tried against ``base``.

    ``status`` is one of the words above, or that of a record without times (unsupported, oom,
    crashed, timeout, failed, invalid). ``speedup``, with the 95 % interval ``low`` to ``high``, is
    relative to the base; ``score`` is the product of all speed-ups since the default. They are
    estimates, not verdicts. ``units`` are the seconds per UNet call of base and candidate in each
    turn. ``sketch`` is that of a call's prediction. ``break_even_images`` is the number of images
    after which compiling has paid off.
    """

    overrides: tuple[str, ...]
    base: tuple[str, ...] = ()
    is_alone: bool = False
    status: str = WAITING
    reason: str = ""
    call_s: float | None = None
    speedup: float | None = None
    low: float | None = None
    high: float | None = None
    score: float | None = None
    ready_s: float | None = None
    compile_s: float | None = None
    convert_s: float = 0.0
    num_calls: int = 1
    break_even_images: float | None = None
    memory_bytes: int | None = None
    sketch: tuple[float, ...] = ()
    units: tuple[tuple[float, float], ...] = ()

    @property
    def label(self) -> str:
        return name_overrides(self.overrides)

    @property
    def is_timed(self) -> bool:
        """Whether the candidate has times from which its speed-up was estimated."""
        return self.status in _TIMED

    @property
    def is_final(self) -> bool:
        """Whether a later tune need not try the candidate again."""
        return self.status not in (*_UNDER_WAY, NOT_TRIED)

    @property
    def round_s(self) -> float:
        """The least seconds of a round in a fresh process, with conversions already cached."""
        assert self.ready_s is not None
        assert self.call_s is not None
        return self.ready_s - self.convert_s + (self.num_calls + 1) * self.call_s

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The base's and the candidate's overrides, which identify the row."""
        return self.base, self.overrides


def write_screening(folder: Path, about: dict[str, Any], rows: Iterable[Row]) -> None:
    """Write the rows, and what they are ``about``, to the file in ``folder``. Raises OSError."""
    data = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        **about,
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    write_atomically(folder / FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")


def read_screening(folder: Path) -> tuple[dict[str, Any], list[Row]] | None:
    """What the file in ``folder`` is about, and its rows; ``None`` if it cannot be used."""
    try:
        data = read_json(folder / FILE, _LARGEST)
        if data["kind"] != KIND or data["schema_version"] != SCHEMA_VERSION:
            return None
        rows = [_row(each) for each in data.pop("rows")]
    except (OSError, UnusableFileError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return {n: v for n, v in data.items() if n not in ("kind", "schema_version")}, rows


def _row(data: dict[str, Any]) -> Row:
    row = Row(**data)
    numbers = (row.call_s, row.speedup, row.low, row.high, row.score, row.ready_s, row.compile_s)
    if not all(n is None or 0 <= float(n) < math.inf for n in (*numbers, row.convert_s)):
        raise ValueError
    if row.is_timed and None in (row.call_s, row.score, row.ready_s, row.compile_s):
        raise ValueError
    return dataclasses.replace(
        row,
        overrides=tuple(map(str, row.overrides)),
        base=tuple(map(str, row.base)),
        units=tuple((float(base), float(cell)) for base, cell in row.units),
        num_calls=int(row.num_calls),
        sketch=tuple(map(float, row.sketch)),
    )


def by_score(rows: Sequence[Row]) -> list[Row]:
    """The rows that deserve a final, fastest first: the default and those that beat their base.

    If none did, the default and then the candidate that came closest.
    """
    timed = [row for row in rows if row.is_timed and row.score is not None]
    won = [row for row in timed if row.status == IN]
    worth = [row for row in timed if row.status in (BASE, IN)]
    if not won:
        lost = [row for row in timed if row.status == OUT]
        worth += sorted(lost, key=_score, reverse=True)[:1]
        return worth
    return sorted(worth, key=_score, reverse=True)


def _score(row: Row) -> float:
    assert row.score is not None
    return row.score
