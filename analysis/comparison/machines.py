"""Machines side by side: the cells that more than one of them measured with equal choices.

Nothing here is judged: rounds of two machines are never interleaved, so their ratio has neither an
interval nor a verdict.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd
from msgspec import structs

from analysis.comparison.apart import Apart, list_apart, short_version
from analysis.comparison.parity import judge_parity
from analysis.comparison.rows import DeltaRow
from analysis.ingest.rows import EnvironmentRow
from analysis.once import once
from analysis.rows import keep_measured, list_rows
from sd_bench.verdicts.axes import AXES, WORKLOAD_AXES, rank
from sd_bench.verdicts.names import name_cells
from sd_bench.verdicts.parity import Latents, read_latents
from sd_bench.verdicts.proofs import NOT_PROVEN, PROVEN

#: The choices that must be equal, in the order by which rows are sorted: all but the device.
COMPARED_BY = (
    *WORKLOAD_AXES,
    "batch_size",
    *(axis for axis in AXES if axis not in ("gpu", "batch_size", *WORKLOAD_AXES)),
)

#: Below this a ratio is shown as 1.00, and no machine is called the fastest.
LEAST_RATIO = 1.005

_Read = Callable[[str], Latents | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinesRow:
    """Cells with equal choices, one for each of at least two machines.

    ``series`` is what they are called. ``apart`` is what may explain a ratio beside the machines.
    ``outputs`` are the distances of the final latents from those of the first machine, for machines
    whose output differs.
    """

    cells: dict[str, DeltaRow]
    series: str
    apart: tuple[Apart, ...]
    outputs: dict[str, float]

    @property
    def first(self) -> DeltaRow:
        """One of the cells, for what all of them share."""
        return next(iter(self.cells.values()))

    @property
    def ratio(self) -> float:
        """The slowest machine's seconds over the fastest one's."""
        found = [cell.typical_s for cell in self.cells.values()]
        return max(found) / min(found)

    @property
    def fastest(self) -> str:
        """The machine with the shortest typical runtime; empty where the ratio rounds to 1.00."""
        if self.ratio < LEAST_RATIO:
            return ""
        return min(self.cells, key=lambda machine: self.cells[machine].typical_s)

    @property
    def slowest(self) -> str:
        """The machine with the longest typical runtime."""
        return max(self.cells, key=lambda machine: self.cells[machine].typical_s)

    @property
    def allows_a_sentence(self) -> bool:
        """Whether the kernels of all cells are proven, and no output is known to differ."""
        proven = all(cell.kernel_proof == PROVEN for cell in self.cells.values())
        return proven and not self.outputs

    @property
    def is_doubtful(self) -> bool:
        """Whether something beside the machines may explain the ratio."""
        return bool(self.apart) or any(cell.flags for cell in self.cells.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """The rows of the table across machines, and the ``names`` of those that are in it.

    ``num_missed`` and ``num_other_output`` count cells that are left out although another machine
    has measured the same; ``chose`` says whether a machine had several cells to choose from.
    """

    names: list[str]
    rows: list[MachinesRow]
    num_missed: int
    num_other_output: int
    chose: bool

    @property
    def cells(self) -> list[DeltaRow]:
        """The cells of all rows; one that stands in several rows recurs."""
        return [cell for row in self.rows for cell in row.cells.values()]


@once
def find_machines(deltas: pd.DataFrame, environments: pd.DataFrame) -> Machines | None:
    """What may be compared across machines; ``None`` where no two measured the same.

    Cells have equal choices on all axes but the device, and it is known how much they compute. Left
    out are cells whose kernels are not the ones named, and those whose output differs from that of
    their baseline.
    """
    groups: dict[tuple[Any, ...], list[DeltaRow]] = defaultdict(list)
    for row in list_rows(keep_measured(deltas), DeltaRow):
        if all(row[axis] is not None for axis in (*WORKLOAD_AXES, "batch_size")):
            groups[tuple(row[axis] for axis in COMPARED_BY)].append(row)
    several = [groups[key] for key in sorted(groups, key=_place) if _are_several(groups[key])]
    names = list(dict.fromkeys(map(str, deltas["machine"])))
    usable = [[row for row in group if _is_usable(row)] for group in several]
    chosen = [cells for group in usable for cells in _choose(group, names)]
    if not chosen:
        return None
    found = [row for group in several for row in group]
    commits = {row.env: row.commit for row in list_rows(environments, EnvironmentRow)}
    read = lru_cache(maxsize=len(names) + 1)(read_latents)
    rows = [
        MachinesRow(
            cells=cells,
            series=series,
            apart=tuple(list_apart(cells, commits)),
            outputs=_compare_outputs(cells, read),
        )
        for cells, series in zip(chosen, _name_rows(chosen), strict=True)
    ]
    return Machines(
        names=[name for name in names if any(name in row.cells for row in rows)],
        rows=rows,
        num_missed=sum(row.kernel_proof == NOT_PROVEN for row in found),
        num_other_output=sum(
            row.parity_ok is False and row.kernel_proof != NOT_PROVEN for row in found
        ),
        chose=any(len(group) > len({row.machine for row in group}) for group in usable),
    )


def rate_at(cell: DeltaRow, seconds: float) -> float:
    """Images per second of a cell if its rounds count as so many ``seconds``; NaN if unknown."""
    if isinstance(cell.batch_size, str | None) or not cell.rounds:
        return math.nan
    calls = 1.0 if cell.value == "median-iteration" else cell.iterations / cell.rounds
    return cell.batch_size * calls / seconds if calls else math.nan


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(rank(axis, value) for axis, value in zip(COMPARED_BY, key, strict=True))


def _are_several(rows: Iterable[DeltaRow]) -> bool:
    return len({row.machine for row in rows}) > 1


def _is_usable(row: DeltaRow) -> bool:
    return row.kernel_proof != NOT_PROVEN and row.parity_ok is not False


def _choose(rows: Sequence[DeltaRow], names: Sequence[str]) -> Iterator[dict[str, DeltaRow]]:
    """One cell per machine for each version of PyTorch that several machines have.

    A machine that has none of these versions stands in all rows with its newest cell; if no version
    is common, every machine does.
    """
    if not _are_several(rows):
        return
    newest: dict[str, DeltaRow] = {}
    by_version: dict[str, dict[str, DeltaRow]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: max(row.started_at, default="")):
        newest[row.machine] = row
        by_version[short_version(row.torch)][row.machine] = row
    common = [cells for cells in by_version.values() if len(cells) > 1]
    placed = {machine for cells in common for machine in cells}
    alone = {machine: row for machine, row in newest.items() if machine not in placed}
    for cells in common or [{}]:
        together = cells | alone
        yield {name: together[name] for name in names if name in together}


def _name_rows(chosen: Sequence[Mapping[str, DeltaRow]]) -> list[str]:
    """What each row is called, by what varies among the rows; with PyTorch if it stands twice."""
    return name_cells(
        [
            structs.replace(
                next(iter(cells.values())),
                machine="",
                env=f"PyTorch {_join_versions(cells)}",
                attention_dtype=_common_dtype(cells),
            )
            for cells in chosen
        ]
    )


def _join_versions(cells: Mapping[str, DeltaRow]) -> str:
    return " and ".join(dict.fromkeys(short_version(cell.torch) for cell in cells.values()))


def _common_dtype(cells: Mapping[str, DeltaRow]) -> str:
    """What attention computed in, where that is the same on all machines."""
    found = {cell.attention_dtype for cell in cells.values()}
    return found.pop() if len(found) == 1 else ""


def _compare_outputs(cells: Mapping[str, DeltaRow], read: _Read) -> dict[str, float]:
    reference, *others = cells.items()
    found = {name: judge_parity(cell, reference[1], read) for name, cell in others}
    return {name: parity.distance for name, parity in found.items() if parity.ok is False}
