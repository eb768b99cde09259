"""Reduce records to rounds: what a verdict needs, namely the cell, the place and the runtime."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from sd_bench.records import Record
from sd_bench.verdicts.axes import Choice, picture_choices, read_choices, to_one_line
from sd_bench.verdicts.environments import UNKNOWN, Place
from sd_bench.verdicts.planned_looks import PlannedLooks, read_looks

#: Identifies a round: (sweep's folder, round). Rounds of a sweep with the same number ran
#: interleaved.
RoundKey = tuple[str, int]

#: Runtimes outside of this range (seconds) are a broken clock, not a measurement.
BELIEVABLE_SECONDS = (1e-9, 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round. Unless ``status`` is ``ok``, ``runtime_s`` is NaN and ``reason`` says why.

    ``worker_s`` is the seconds that its worker ran (NaN if unknown), ``planned`` the looks that its
    sweep planned.
    """

    path: str
    cell_hash: str
    choices: dict[str, Choice]
    number: int
    status: str
    reason: str
    runtime_s: float
    place: Place
    worker_s: float = math.nan
    planned: PlannedLooks | None = None


def read_round(record: Record, path: Path | None = None) -> Round:
    """The round of a record; its ``path`` distinguishes sweeps of the same name."""
    status, reason, runtime_s = _outcome(record)
    choices = _read_choices(msgspec.json.encode((record.choices, record.config))).copy()
    environment = record.environment
    device = environment.get("device")
    name = device.get("name") if isinstance(device, dict) else None
    fingerprint = to_one_line(environment.get("fingerprint") or "")
    sweep = to_one_line(record.sweep)
    return Round(
        path="" if path is None else str(path),
        cell_hash=to_one_line(record.cell_hash),
        choices=choices,
        number=record.round,
        status=status,
        reason=reason,
        runtime_s=runtime_s,
        place=Place(
            gpu=str(choices["gpu"]),
            device=to_one_line(name or UNKNOWN),
            fingerprint=fingerprint or f"{UNKNOWN}, sweep {sweep}",
            torch_env=choices["torch_env"],
            torch=to_one_line(environment.get("torch") or UNKNOWN),
            sweep_folder=sweep if path is None else _sweep_folder(path.parent, record.job),
        ),
        worker_s=_worker_s(record),
        planned=read_looks(record.looks),
    )


def find_upcasts(cells: Iterable[tuple[str, Choice]]) -> dict[str, Choice]:
    """The choice ``upcast`` by cell hash, for older records of the same cell without it."""
    return {cell_hash: upcast for cell_hash, upcast in cells if upcast is not None}


def name_rounds(rounds: Iterable[tuple[str, int, str]]) -> list[RoundKey]:
    """The key of each of a cell's rounds, given its sweep's folder, number and path.

    A second round with the same number in a sweep gets its path as a key, so that it has no
    partner.
    """
    names: list[RoundKey] = []
    seen: set[RoundKey] = set()
    for folder, number, path in rounds:
        names.append((path, number) if (folder, number) in seen else (folder, number))
        seen.add(names[-1])
    return names


@lru_cache(maxsize=64)  # a cell's rounds have the same, and are read one after the other
def _read_choices(text: bytes) -> dict[str, Choice]:
    """The value of every axis, from a record's choices and its configuration as JSON.

    Texts are interned: many cells have them.
    """
    given, config = msgspec.json.decode(text)
    choices = read_choices(given) | picture_choices(config)
    choices["gpu"] = str(choices["gpu"] or UNKNOWN)
    return {
        axis: sys.intern(value) if isinstance(value, str) else value
        for axis, value in choices.items()
    }


@lru_cache(maxsize=1024)  # a cell's rounds lie in one folder
def _sweep_folder(given: Path, job: str) -> str:
    """The real path of a record's sweep: its folder ``given`` without the job's part.

    If the record is no longer in its job's folder, it is the record's folder, because it is unknown
    which rounds ran beside it.
    """
    folder = Path(os.path.realpath(given))
    inside = Path(job).parts
    if inside and folder.parts[-len(inside) :] == inside:
        return str(folder.parents[len(inside) - 1])
    return str(folder)


def _worker_s(record: Record) -> float:
    worker_s = record.times.worker_s if record.times else None
    shortest, longest = BELIEVABLE_SECONDS
    return worker_s if worker_s is not None and shortest <= worker_s <= longest else math.nan


def _outcome(record: Record) -> tuple[str, str, float]:
    """Status, reason and runtime in seconds (NaN unless ``ok``)."""
    if record.status != "ok":
        return record.status, to_one_line(record.reason or "no reason given"), math.nan
    shortest, longest = BELIEVABLE_SECONDS
    runtime_s = record.runtime_s
    if runtime_s is None or not shortest <= runtime_s <= longest:
        found = "no times" if runtime_s is None else f"a runtime of {runtime_s:g} s"
        return "invalid", f"the record says ok but has {found}", math.nan
    return "ok", "", runtime_s
