"""What earlier commands have left in a sweep's folder: finished rounds and their environments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest
from pathlib import Path
from typing import Any

from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError
from sd_bench.execution.plan import PlannedCell
from sd_bench.records import (
    NewerRecordError,
    Record,
    RecordError,
    find_records,
    read_record,
    record_path,
    round_number,
)

#: Statuses that ``retry_failed=true`` does not run again: another round would change nothing.
_SETTLED = ("ok", "unsupported", "invalid")
#: Facts that may differ between records of a sweep: no time depends on them.
_NOT_COMPARED = (
    "fingerprint",
    "host",
    "interpreter",
    "project",
    "visible_devices",
    "device_instance",
)
#: The most characters of a value that a refusal shows.
_MOST_SHOWN = 100
#: Descriptions of facts whose names say little.
_OWN_WORDS = {
    "source_hash": "sd_bench's own code",
    "machine.identity": "the machine (a hash of its identity)",
    "machine.model": "the machine's model",
    "scheduling.niceness": "niceness",
    "scheduling.policy": "the scheduling policy",
    "scheduling.autogroup_niceness": "the autogroup's niceness",
    "processor.affinity": "the number of processors that it may run on",
    "processor.whole_cores": "the number of cores that its processors belong to",
    "processor.kinds": "the kinds of its processors",
    "processor.quota": "the CPU quota in processors",
    "memory.nodes": "the number of memory nodes",
    "memory.near": "memory on the processors' own nodes",
    "compiler": "the C++ compiler",
}
#: Parts of an environment that list what exists; in other parts a missing fact is unknown.
_LISTS = ("variables", "packages", "python_switches")

Environment = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """The finished rounds of a sweep.

    ``records`` are by cell and round, numbered as in the plan. ``unusable`` are files in the place
    of a record that are not valid ones, with the reason. ``environments`` are those of all kept
    records, by PyTorch environment and GPU, and ``positions`` their places in the sweep's order.
    """

    records: dict[tuple[int, int], Record]
    unusable: dict[Path, str]
    environments: dict[tuple[str, str], list[Environment]]
    positions: set[int]

    def environments_of(self, config: Config) -> list[Environment]:
        """The environments that rounds of ``config`` must match one of; empty if any will do."""
        return self.environments.get((config.torch_env.name, config.gpu.name), [])


def nothing_finished() -> Finished:
    return Finished({}, {}, {}, set())


def find_finished(plan: Sequence[PlannedCell], folder: Path, retry_failed: bool) -> Finished:
    """Read the records in the sweep's ``folder``, without changing anything.

    Raises ConfigError for a record that may be valid but cannot be read now or by this version.
    """
    read: dict[Path, Record | str] = {path: _read(path) for path in find_records(folder)}
    finished = nothing_finished()
    there = _rounds_by_folder(read)
    for index, planned in enumerate(plan):
        for round_index in _rounds_to_find(planned, there):
            path = record_path(planned.cell.folder, round_index)
            found = read.get(path)
            if isinstance(found, Record):
                found = _belongs(found, planned, round_index) or found
            if isinstance(found, Record) and _is_outdated(found, planned, retry_failed):
                del read[path]
                found = None
            if isinstance(found, str):
                finished.unusable[path] = found
            elif found is not None:
                finished.records[index, round_index] = found
    for record in (r for r in read.values() if isinstance(r, Record)):
        finished.positions.add(record.position)
        if "fingerprint" in record.environment:
            where = (str(record.choices.get("torch_env")), str(record.choices.get("gpu")))
            finished.environments.setdefault(where, []).append(record.environment)
    return finished


def _rounds_to_find(planned: PlannedCell, there: Mapping[Path, Sequence[int]]) -> Iterable[int]:
    """The rounds that the cell is to have, or all existing ones if their number is open."""
    if planned.rounds is not None:
        return range(planned.rounds)
    return sorted(there.get(planned.cell.folder, ()))


def _rounds_by_folder(files: Iterable[Path]) -> dict[Path, list[int]]:
    numbers: dict[Path, list[int]] = {}
    for path in files:
        if (number := round_number(path)) is not None:
            numbers.setdefault(path.parent, []).append(number)
    return numbers


def _read(path: Path) -> Record | str:
    try:
        return read_record(path)
    except NewerRecordError as error:
        raise ConfigError(f"resume: {error}, or name another folder") from None
    except RecordError as error:
        if isinstance(error.__cause__, OSError):
            raise ConfigError(f"resume: {error}; make it readable first") from None
        return str(error).removeprefix(f"{path}: ")


def _is_outdated(record: Record, planned: PlannedCell, retry_failed: bool) -> bool:
    """Whether the round is measured again despite its record.

    So is one that was declared unsupported without a process, if the plan now says it can run.
    """
    if record.status == "unsupported" and planned.reason is None:
        return retry_failed or not record.environment
    return retry_failed and record.status not in _SETTLED


def _belongs(record: Record, planned: PlannedCell, round_index: int) -> str | None:
    """Why ``record`` does not belong to this cell and round, or None."""
    if (record.cell_hash, record.round) == (planned.cell.hash, round_index):
        return None
    return f"the record of round {record.round} of cell {record.cell_hash}, in the wrong place"


def set_aside(path: Path, word: str = "unreadable") -> Path:
    """Rename a file so that it is kept but not read as a record; its new path. Raises OSError."""
    names = (f"{word}{'' if n == 0 else n}-{path.name}" for n in count())
    aside = next(new for name in names if not (new := path.with_name(name)).exists())
    path.rename(aside)
    return aside


def differences(there: Sequence[Environment], here: Environment) -> list[str]:
    """How ``here`` differs from the most similar environment of ``there``, one sentence a fact."""
    return min((_differences(other, here) for other in there), key=len)


def _differences(there: Environment, here: Environment) -> list[str]:
    old, new = dict(_flat(there)), dict(_flat(here))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    sentences = [
        "{} was {}, is {}".format(
            _OWN_WORDS.get(name, name), *_shortly(old.get(name), new.get(name))
        )
        for name in names
        if name in old or _is_listed(name)
    ]
    unknown = [name for name in new if name not in old and not _is_listed(name)]
    if parts := dict.fromkeys(name.partition(".")[0] for name in unknown):
        names_of_parts = ", ".join(parts)
        sentences.append(f"made by an older sd_bench, which did not record all of {names_of_parts}")
    return sentences


def _is_listed(name: str) -> bool:
    return name.partition(".")[0] in _LISTS


def _shortly(old: Any, new: Any) -> tuple[str, str]:
    """Both values as text; of texts with many lines only the first lines that differ."""
    texts = ["not set" if value is None else str(value) for value in (old, new)]
    pairs = zip_longest(*(text.splitlines() for text in texts), fillvalue="")
    first, second = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return first.strip()[:_MOST_SHOWN], second.strip()[:_MOST_SHOWN]


def _flat(environment: Environment) -> Iterator[tuple[str, Any]]:
    for name, value in environment.items():
        if name in _NOT_COMPARED:
            continue
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", v) for inner, v in value.items())
        else:
            yield name, value
