"""Sweeps over many days, for the tests of histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sd_bench.records import find_records, read_record, write_record
from tests.support.records import sample_environment, write_sweep

#: Runtimes of sweeps in which nothing changes, as shares of their level, with a spread of 1 %.
WITHOUT_CHANGE = (1.004, 0.991, 1.013, 0.997, 0.984, 1.009, 1.001, 0.993, 1.011, 0.995, 1.006, 0.99)


def write_days(
    root: Path,
    levels: Mapping[tuple[Any, ...], Sequence[float]],
    environments: Mapping[int, Mapping[str, Any]] | None = None,
    flags: Sequence[str] = (),
) -> Path:
    """One sweep per day, counted from 1: the level of each cell (batch size, attention) in seconds.

    ``environments`` are additions to the sample environment, from that day on; ``flags`` those of
    every round's iteration.
    """
    environment: dict[str, Any] = {}
    for day in range(1, 1 + len(next(iter(levels.values())))):
        environment |= (environments or {}).get(day, {})
        commit = {"git_commit": f"{day:02d}c0ffee12345678", "dirty": False}
        write_sweep(
            root,
            {cell: [s[day - 1] * k for k in (0.999, 1.0, 1.001)] for cell, s in levels.items()},
            sweep=f"2026-11-{day:02d}/10-00-00",
            started_at=f"2026-11-{day:02d}T10:00:00+00:00",
            environment={**sample_environment(), "project": commit, **environment},
        )
    for path in find_records(root) if flags else ():
        record = read_record(path)
        assert record.times is not None
        record.times.iterations[0].flags.extend(flags)
        write_record(path, record)
    return root


def with_change(at: int, ratio: float) -> list[float]:
    """`WITHOUT_CHANGE`, slower by ``ratio`` from the sweep ``at`` on."""
    return [s * (ratio if place >= at else 1) for place, s in enumerate(WITHOUT_CHANGE)]
