"""Cells over many sweeps: one point per sweep, in the order of their dates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError
from analysis.history.environment_changes import FactChange, list_changes
from analysis.ingest.cells import VALUES
from analysis.ingest.rows import Named, RoundRow
from analysis.rows import list_rows
from sd_bench.records import RecordError, read_record
from sd_bench.statistics.runtime import Runtime, typical_runtime
from sd_bench.verdicts.axes import AXES, rank
from sd_bench.verdicts.environments import UNKNOWN

#: Characters of a commit hash that are shown.
_SHORT_COMMIT = 7

Environment = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A cell in one sweep.

    ``number`` counts the sweeps of all cells by date; ``at`` is when the cell's first round began
    (UTC). ``commit`` is short, empty if unknown; ``dirty`` says that the checkout had changes.
    ``disturbed`` counts the rounds with a flagged iteration. ``runtime`` has the interval over the
    rounds of this sweep alone. ``changes`` is what changed in the environment since the point
    before, except the commit.
    """

    number: int
    sweep: str
    at: datetime
    commit: str
    dirty: bool
    torch: str
    rounds: int
    disturbed: int
    runtime: Runtime
    changes: tuple[FactChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellHistory:
    """The points of a cell on one machine, in order; ``row`` has its choices."""

    row: Named
    machine: str
    points: tuple[Point, ...]


def gather_histories(rounds: pd.DataFrame, value: str = "runtime") -> list[CellHistory]:
    """The histories of all cells that were measured in at least two sweeps, in display order.

    ``rounds`` come from `load_records`; ``value`` says which of its times a round counts as. A cell
    has one history per machine. Rounds of one sweep in two environments make two points. Raises
    AnalysisError if no cell has two points.
    """
    column = VALUES[value]
    usable = [row for row in list_rows(rounds, RoundRow) if _is_usable(row, column)]
    if not usable:
        raise AnalysisError(
            "no measured round with a date: a history needs records of sd_bench with times"
        )
    read_environment = _reader()
    members: dict[tuple[Any, ...], list[RoundRow]] = defaultdict(list)
    for row in usable:
        key = (row.device, _machine(read_environment(row)), row.cell_hash)
        members[(*key, *(row[axis] for axis in AXES))].append(row)
    numbers = _number_sweeps(usable)
    machines = _name_machines(key[:2] for key in members)
    histories = [
        CellHistory(
            row=_named(rows),
            machine=machines[key[:2]],
            points=_points(rows, column, numbers, read_environment),
        )
        for key, rows in members.items()
    ]
    found = [history for history in histories if len(history.points) > 1]
    if not found:
        raise AnalysisError(
            f"{_count(len(numbers))}, and no cell was measured in two of them on one machine: name "
            "a folder of sweeps of the same cells, such as multirun_outputs"
        )
    return sorted(found, key=_display_order)


def _named(rows: Sequence[RoundRow]) -> Named:
    columns = {name: rows[0][name] for name in Named.__struct_fields__}
    return Named(**columns | {"attention_dtype": _joined(row.attention_dtype for row in rows)})


def _count(sweeps: int) -> str:
    return "one sweep only" if sweeps == 1 else f"{sweeps} sweeps"


def _is_usable(row: RoundRow, column: str) -> bool:
    return row.status == "ok" and row[column] == row[column] and _date(row) is not None


def _date(row: RoundRow) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(row.started_at).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _begin(rows: Iterable[RoundRow]) -> datetime:
    return min(date for date in map(_date, rows) if date is not None)


def _place(row: RoundRow) -> tuple[str, str]:
    """What counts as one sweep: a folder, and an environment if it has several."""
    return str(row.sweep_folder), str(row.fingerprint)


def _reader() -> Callable[[RoundRow], Environment]:
    """A function that reads a round's environment from one record per sweep, cell and commit."""
    known: dict[tuple[str, ...], Environment] = {}

    def read(row: RoundRow) -> Environment:
        key = (*_place(row), str(row.commit))
        if key not in known:
            try:
                known[key] = read_record(Path(str(row.path))).environment
            except RecordError:
                known[key] = {}
        return known[key]

    return read


def _machine(environment: Environment) -> str:
    machine = environment.get("machine")
    identity = machine.get("identity") if isinstance(machine, Mapping) else None
    return str(identity or "")


def _name_machines(found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The device's name, with the start of the machine's identity if several have that device."""
    machines = sorted(set(found))
    devices = [device for device, _ in machines]
    return {
        (device, identity): device
        if devices.count(device) == 1
        else f"{device} ({identity[:6] or 'unknown machine'})"
        for device, identity in machines
    }


def _number_sweeps(rows: Sequence[RoundRow]) -> dict[tuple[str, str], int]:
    members: dict[tuple[str, str], list[RoundRow]] = defaultdict(list)
    for row in rows:
        members[_place(row)].append(row)
    order = sorted(members, key=lambda place: (_begin(members[place]), place))
    return {place: number for number, place in enumerate(order)}


def _points(
    rows: Sequence[RoundRow],
    column: str,
    numbers: Mapping[tuple[str, str], int],
    read_environment: Callable[[RoundRow], Environment],
) -> tuple[Point, ...]:
    members: dict[int, list[RoundRow]] = defaultdict(list)
    for row in rows:
        members[numbers[_place(row)]].append(row)
    points: list[Point] = []
    before: Environment | None = None
    for number in sorted(members):
        mine = sorted(members[number], key=lambda row: int(row.round))
        environment = read_environment(mine[0])
        changes = [] if before is None else list_changes(before, environment)
        points.append(_point(number, mine, column, tuple(changes)))
        before = environment
    return tuple(points)


def _point(
    number: int, rows: list[RoundRow], column: str, changes: tuple[FactChange, ...]
) -> Point:
    commit, _, state = str(rows[0].commit).partition(" ")
    return Point(
        number=number,
        sweep=str(rows[0].sweep),
        at=_begin(rows),
        commit="" if commit == UNKNOWN else commit[:_SHORT_COMMIT],
        dirty=bool(state),
        torch=str(rows[0].torch),
        rounds=len(rows),
        disturbed=sum(any(row.iteration_flags) for row in rows),
        runtime=typical_runtime([row[column] for row in rows]),
        changes=changes,
    )


def _joined(values: Iterable[str]) -> str:
    return ", ".join(sorted({value for value in values if value}))


def _display_order(history: CellHistory) -> tuple[Any, ...]:
    first = ("gpu", "model_version", "height", "width", "steps", "n_iter", "batch_size")
    axes = (*first, *(axis for axis in AXES if axis not in first))
    return (history.machine, *(rank(axis, history.row[axis]) for axis in axes))
