"""Estimates how long rounds will take, from the records of earlier ones."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sd_bench.execution.cell import choices
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.time_account import accounted_s
from sd_bench.records import Record, RecordError, Times, find_records, read_record

#: A cell without records is assumed to take as long as one that differs only in these choices.
_NEARLY_ALIKE = ("attention", "upcast", "preset", "weights")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated ``seconds`` of a round; ``is_own`` if from rounds of the same cell."""

    seconds: float
    is_own: bool

    def __str__(self) -> str:
        return f"{'' if self.is_own else 'about '}{self.seconds:.1f} s"


def estimates(plan: Iterable[PlannedCell], folders: Iterable[Path]) -> list[Estimate | None]:
    """An estimate of a round of each cell, from the records below ``folders``; None without any."""
    by_hash: dict[str, list[float]] = {}
    by_choices: dict[str, list[float]] = {}
    for record in _records(folders):
        if record.times is not None:
            seconds = round_s(record.times)
            by_hash.setdefault(record.cell_hash, []).append(seconds)
            by_choices.setdefault(_nearly(record.choices), []).append(seconds)
    return [_estimate(planned, by_hash, by_choices) for planned in plan]


def _estimate(
    planned: PlannedCell, by_hash: dict[str, list[float]], by_choices: dict[str, list[float]]
) -> Estimate | None:
    config = planned.cell.config
    if own := by_hash.get(planned.cell.hash):
        return Estimate(statistics.median(own), is_own=True)
    if like := by_choices.get(_nearly(choices(config))):
        return Estimate(statistics.median(like), is_own=False)
    return None


def round_s(times: Times) -> float:
    """The seconds that a round's worker lived, or their known part."""
    return times.worker_s or sum(accounted_s(times).values()) + times.save_s


def _nearly(chosen: dict[str, object]) -> str:
    return str(sorted((k, str(v)) for k, v in chosen.items() if k not in _NEARLY_ALIKE))


def _records(folders: Iterable[Path]) -> Iterable[Record]:
    for path in {path for folder in folders for path in find_records(folder)}:
        try:
            yield read_record(path)
        except RecordError:
            continue  # a plan does not report files that it does not need
