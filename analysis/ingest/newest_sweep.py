"""Finds the sweeps to analyse if none is named: the newest, and those that belong to it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from sd_bench.records import Record, RecordError, find_records, read_record
from sd_bench.records.files import round_number
from sd_bench.verdicts.axes import Choice
from sd_bench.verdicts.device_names import UNKNOWN
from sd_bench.verdicts.rounds import Round, read_round

#: The names of folders in multirun_outputs that are committed with the project begin so.
KEPT_PREFIX = "results_"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSweep:
    """A sweep's folder, when its last round began, and the versions of PyTorch that it measured.

    ``cells`` are the choices except ``torch_env``, each with the device.
    """

    folder: Path
    started_at: str
    cells: frozenset[tuple[Choice, ...]]
    torches: frozenset[str]


@dataclass(frozen=True, slots=True)
class NewestSweep:
    """``folders``: the newest sweep, then those that differ from it only in PyTorch.

    ``others``: all other sweeps, the newest first.
    """

    folders: tuple[Path, ...]
    others: tuple[Path, ...]


def find_newest(root: Path) -> NewestSweep | None:
    """The newest sweep below a folder; ``None`` if there is no readable record.

    Committed results are not the user's own sweeps: they count only if there are no others.
    """
    everything = sorted(_find_sweeps(root), key=lambda sweep: sweep.started_at, reverse=True)
    own = [sweep for sweep in everything if not _is_kept(sweep.folder.relative_to(root))]
    found = own or everything
    if not found:
        return None
    together = _take_together(found)
    return NewestSweep(
        folders=tuple(sweep.folder for sweep in together),
        others=tuple(sweep.folder for sweep in found[len(together) :]),
    )


def _is_kept(folder: Path) -> bool:
    return any(part.startswith(KEPT_PREFIX) for part in folder.parts)


def _take_together(newest_first: Sequence[FoundSweep]) -> list[FoundSweep]:
    """The newest, and those right before it that measured the same cells with another PyTorch."""
    newest, *older = newest_first
    seen = set(newest.torches)

    def belongs(sweep: FoundSweep) -> bool:
        if sweep.cells != newest.cells or not sweep.torches or sweep.torches & seen:
            return False
        seen.update(sweep.torches)
        return True

    return [newest, *takewhile(belongs, older)]


def _find_sweeps(root: Path) -> Iterable[FoundSweep]:
    """Every sweep below the folder, read from the last round of each cell."""
    last: dict[Path, list[Path]] = defaultdict(list)
    real_root = Path(os.path.realpath(root))
    for path in find_records(real_root):
        last[path.parent].append(path)
    members: dict[str, list[tuple[Record, Round]]] = defaultdict(list)
    for paths in last.values():
        record = _read_any(sorted(paths, key=lambda path: round_number(path) or 0, reverse=True))
        if record is not None:
            each = read_round(*record)
            members[each.place.sweep_folder].append((record[0], each))
    for folder, rounds in members.items():
        yield FoundSweep(
            folder=root / os.path.relpath(folder, real_root),
            started_at=max(str(record.started_at) for record, _ in rounds),
            cells=frozenset(map(_cell, (each for _, each in rounds))),
            torches=frozenset(each.place.torch for _, each in rounds) - {UNKNOWN},
        )


def _read_any(paths: Sequence[Path]) -> tuple[Record, Path] | None:
    for path in paths:
        try:
            return read_record(path), path
        except RecordError:
            continue
    return None


def _cell(each: Round) -> tuple[Choice, ...]:
    choices = (value for axis, value in each.choices.items() if axis != "torch_env")
    return (each.place.device, *choices)
