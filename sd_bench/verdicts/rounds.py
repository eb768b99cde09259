"""Records as rounds: of each what decides a verdict, namely which cell, where, and how long."""

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

#: One round among all: (sweep's folder, round). Rounds of one sweep with the same number ran
#: interleaved.
RoundKey = tuple[str, int]

#: Runtimes outside of this range (seconds) are a broken clock, not a measurement.
BELIEVABLE_SECONDS = (1e-9, 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round; ``runtime_s`` is NaN unless ``status`` is ``ok``, which ``reason`` explains.

    ``worker_s`` is how long its worker lived, NaN if that is not known; ``planned`` when its sweep
    was to look at the verdicts.
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
    """The round of a record; ``path`` is where it lies, which tells sweeps of one name apart."""
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
    """The choice ``upcast`` by cell hash, for records of the same cell that are older than it."""
    return {cell_hash: upcast for cell_hash, upcast in cells if upcast is not None}


def name_rounds(rounds: Iterable[tuple[str, int, str]]) -> list[RoundKey]:
    """What each of a cell's rounds is called, from the sweep's folder, its number and its path.

    A second round of the same number in a sweep has no partner: it is called by its path.
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
    """The real folder of a record's sweep: ``given``, its own, without the job's part of it.

    The record's own folder where it does not lie in its job's any more: nothing says what ran
    beside it then.
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
        return "invalid", f"the record says ok and holds {found}", math.nan
    return "ok", "", runtime_s
