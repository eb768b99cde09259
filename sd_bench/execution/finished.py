"""What earlier commands have left in a sweep's folder: which rounds are done, and under what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sd_bench.config import Config
from sd_bench.execution.plan import PlannedCell
from sd_bench.records import Record, RecordError, find_records, read_record, record_path

#: What ``retry_failed=true`` does not run again: measuring once more would change nothing.
_SETTLED = ("ok", "unsupported", "invalid")
#: What may differ between two records of a sweep: facts that no time depends on, or its own.
_NOT_COMPARED = (
    "fingerprint",
    "host",
    "interpreter",
    "project",
    "visible_devices",
    "device_instance",
)
_OWN_WORDS = {"source_hash": "sd_bench's own code"}

Environment = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """``records`` by cell and round, both counted as in the plan.

    ``unusable`` are the files in the place of a record that are none, with the reason.
    ``environments`` are those of all records that stay, by what should have one only.
    """

    records: dict[tuple[int, int], Record]
    unusable: dict[Path, str]
    environments: dict[tuple[str, str], list[Environment]]

    def environments_of(self, config: Config) -> list[Environment]:
        """The environments that rounds of ``config`` may join; empty if any will do."""
        return self.environments.get((config.torch_env.name, config.gpu.name), [])


def nothing_finished() -> Finished:
    return Finished({}, {}, {})


def find_finished(plan: Sequence[PlannedCell], folder: Path, retry_failed: bool) -> Finished:
    """Read what is in the sweep's ``folder``. Changes nothing there."""
    read: dict[Path, Record | str] = {path: _read(path) for path in find_records(folder)}
    finished = nothing_finished()
    for index, planned in enumerate(plan):
        for round_index in range(planned.rounds):
            path = record_path(planned.cell.folder, round_index)
            found = read.get(path)
            if isinstance(found, Record):
                found = _belongs(found, planned, round_index) or found
            if isinstance(found, str):
                finished.unusable[path] = found
            elif found is not None and retry_failed and found.status not in _SETTLED:
                del read[path]
            elif found is not None:
                finished.records[index, round_index] = found
    for record in read.values():
        if isinstance(record, Record) and "fingerprint" in record.environment:
            where = (str(record.choices.get("torch_env")), str(record.choices.get("gpu")))
            finished.environments.setdefault(where, []).append(record.environment)
    return finished


def _read(path: Path) -> Record | str:
    try:
        return read_record(path)
    except RecordError as error:
        return str(error)


def _belongs(record: Record, planned: PlannedCell, round_index: int) -> str | None:
    """Why ``record`` is not the one of this cell and round, if it is not."""
    if (record.cell_hash, record.round) == (planned.cell.hash, round_index):
        return None
    return f"the record of round {record.round} of cell {record.cell_hash}, in the wrong place"


def set_aside(path: Path) -> Path:
    """Rename what is no record, so that nothing reads it and it is not lost. Raises OSError."""
    names = (f"unreadable{'' if n == 0 else n}-{path.name}" for n in count())
    aside = next(new for name in names if not (new := path.with_name(name)).exists())
    path.rename(aside)
    return aside


def differences(there: Sequence[Environment], here: Environment) -> list[str]:
    """Which facts of ``here`` differ from the nearest of the environments ``there``."""
    return min((_differences(other, here) for other in there), key=len)


def _differences(there: Environment, here: Environment) -> list[str]:
    old, new = dict(_flat(there)), dict(_flat(here))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [
        f"{_OWN_WORDS.get(name, name)} was {old.get(name, 'not set')}, "
        f"is {new.get(name, 'not set')}"
        for name in names
    ]


def _flat(environment: Environment) -> Iterator[tuple[str, Any]]:
    for name, value in environment.items():
        if name in _NOT_COMPARED:
            continue
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", v) for inner, v in value.items())
        else:
            yield name, value
