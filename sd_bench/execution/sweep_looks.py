"""When a sweep looks at its verdicts: fixed before the first round and stored in each record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sd_bench.config.conversion import to_dict
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import choices
from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.records import Looks, Record
from sd_bench.statistics.sequential import LOOKS, LookPlan
from sd_bench.verdicts.axes import Choice, picture_choices
from sd_bench.verdicts.cells import Cell, plan_cell, pool_records
from sd_bench.verdicts.comparisons import Comparison, Pair, compare_cells, pair_cells
from sd_bench.verdicts.judgement import DEFAULT_MARGIN
from sd_bench.verdicts.planned_looks import PlannedLooks, read_looks, write_looks

#: What distinguishes the cells of a sweep in its records.
_Key = tuple[str, Choice]


@dataclass(frozen=True, slots=True)
class SweepLooks:
    """The looks of one sweep, and which cells are compared.

    ``plan`` is ``None`` for a sweep whose records were made without one; none is made afterwards.
    ``stops`` are the numbers of rounds after which this command looks, ascending; it ends after the
    last. ``pairs`` are the planned comparisons, a pair for each cell of the sweep, in order.
    """

    plan: LookPlan | None
    stops: tuple[int, ...]
    pairs: tuple[Pair, ...]
    _indices: dict[_Key, list[int]]

    @property
    def first(self) -> int:
        """The rounds before the first look."""
        return self.stops[0]

    @property
    def family(self) -> dict[str, int]:
        """The number of comparisons in each machine's table."""
        return Counter(
            pair.cell.machine for pair in self.pairs if pair.is_comparison and pair.cell.is_measured
        )

    @property
    def fewest_deciding(self) -> int | None:
        """The fewest rounds that can decide every table's comparisons; None if no number can."""
        if self.plan is None or not self.family:
            return None
        deciding = [self.plan.smallest_deciding(size) for size in self.family.values()]
        known = [rounds for rounds in deciding if rounds is not None]
        return max(known) if len(known) == len(deciding) else None

    def is_look(self, rounds: int) -> bool:
        return rounds in self.stops

    def next_after(self, rounds: int) -> int | None:
        return next((stop for stop in self.stops if stop > rounds), None)

    def first_target(self, planned: PlannedCell) -> int:
        """How many rounds a cell gets before the first look."""
        if planned.reason is not None:
            return 1
        return planned.cell.config.protocol.rounds or self.first

    def of(self, index: int, asked_by: int) -> Looks | None:
        """The looks for the record of cell ``index``; the look after ``asked_by`` rounds asked."""
        if self.plan is None:
            return None
        pair = self.pairs[index]
        planned = PlannedLooks(
            plan=self.plan,
            family=self.family.get(pair.cell.machine, 0),
            baseline=None if pair.baseline is None else str(pair.baseline),
            margin=DEFAULT_MARGIN,
        )
        return write_looks(planned, asked_by)

    def judge(self, records: Iterable[Record]) -> list[Comparison]:
        """The comparisons of the records, with the same verdicts as in the analysis."""
        return compare_cells(pool_records(records), margin=DEFAULT_MARGIN)

    def cells_of(self, comparisons: Iterable[Comparison]) -> set[int]:
        """The numbers in the plan of the cells in these comparisons."""
        members = (
            cell
            for comparison in comparisons
            for cell in (comparison.cell, comparison.baseline_cell)
            if cell is not None
        )
        return {index for cell in members for index in self.indices_of(cell)}

    def compared_within(self, indices: set[int]) -> set[int]:
        """Those of the cells ``indices`` that are compared with another of them."""
        found: set[int] = set()
        for pair in self.pairs:
            numbers = {index for cell in pair.both_cells for index in self.indices_of(cell)}
            if pair.is_comparison and numbers <= indices:
                found |= numbers
        return found

    def indices_of(self, cell: Cell) -> list[int]:
        """The numbers of a cell in the plan; a repeated cell has several."""
        return self._indices.get((cell.cell_hash, cell.choices["preset"]), [])


def plan_looks_of(plan: Sequence[PlannedCell], finished: Finished, max_rounds: int) -> SweepLooks:
    """The looks of a sweep: those in its records, else new ones that end at ``max_rounds``.

    Raises ConfigError for ``more_rounds`` beyond the plan.
    """
    config = plan[0].cell.config
    pairs = tuple(pair_cells([_planned_cell(planned) for planned in plan]))
    indices = defaultdict(list)
    for index, pair in enumerate(pairs):
        indices[pair.cell.cell_hash, pair.cell.choices["preset"]].append(index)
    stored = [record.looks for record in finished.records.values() if record.environment]
    if not stored:
        look_plan: LookPlan | None = _new_plan(plan, max_rounds)
    else:
        found = next((known for looks in stored if (known := read_looks(looks))), None)
        look_plan = None if found is None else found.plan
    done = 1 + max((round_index for _, round_index in finished.records), default=-1)
    if look_plan is None:
        stops: tuple[int, ...] = (max(done, config.protocol.min_rounds),)
    else:
        stops = look_plan.looks
    if config.more_rounds:
        stops = _stops_with(config.more_rounds, done, look_plan, stops)
    return SweepLooks(look_plan, stops, pairs, dict(indices))


def _new_plan(plan: Sequence[PlannedCell], max_rounds: int) -> LookPlan:
    fixed = [planned.cell.config.protocol.rounds for planned in plan]
    if all(rounds is not None for rounds in fixed):
        return LookPlan(looks=(max(rounds for rounds in fixed if rounds is not None),))
    least = plan[0].cell.config.protocol.min_rounds
    last = max(least, max_rounds)
    return LookPlan(looks=tuple(sorted({least, last, *(n for n in LOOKS if least < n < last)})))


def _stops_with(
    more: int, done: int, plan: LookPlan | None, stops: tuple[int, ...]
) -> tuple[int, ...]:
    end = done + more
    known = stops if plan is None else plan.all_looks
    if plan is not None and end > known[-1]:
        raise ConfigError(
            f"more_rounds={more}: {done} rounds are measured, and this sweep was planned to end "
            f"after {known[-1]}, including its one extension; start a new sweep with "
            f"protocol.rounds={end}"
        )
    return (*(n for n in known if n < end), end)


def _planned_cell(planned: PlannedCell) -> Cell:
    """The cell in the form that verdicts use, without rounds."""
    torch = "" if planned.interpreter is None else planned.interpreter.torch
    config = planned.cell.config
    chosen = choices(config) | picture_choices(to_dict(config))
    return plan_cell(chosen, planned.cell.hash, torch, planned.reason or "")
