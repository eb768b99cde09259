"""Which rounds come next: looks, cells that rest, the budget, and rounds added later."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest
from msgspec import structs

from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell, choices
from sd_bench.execution.finished_rounds import Finished, nothing_finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.schedule import Schedule
from sd_bench.execution.sweep_looks import SweepLooks, plan_looks_of
from sd_bench.execution.worker_process import Turn
from sd_bench.records import Record
from sd_bench.verdicts.cells import pool_records
from sd_bench.verdicts.comparisons import Comparison, compare_cells
from tests.support.composition import Compose
from tests.support.plans import planned_cell
from tests.support.records import sample_record

#: A function from a cell and a round number to the seconds of that round.
Runtime = Callable[[PlannedCell, int], float]


@dataclass
class Notes:
    looks: list[tuple[int, int]] = field(default_factory=list)
    is_over_budget: bool = False
    rested: list[str] = field(default_factory=list)

    def looked(self, rounds: int, comparisons: Sequence[Comparison], going_on: int) -> None:
        self.looks.append((rounds, going_on))

    def budget_spent(self) -> None:
        self.is_over_budget = True

    def resting(self, cells: Sequence[PlannedCell], after: int, rounds: int) -> None:
        self.rested += [planned.cell.label for planned in cells]


@cache
def sweep_plan(compose: Compose, *overrides: str) -> list[PlannedCell]:
    """Math and flash at three batch sizes, as many rounds as the verdicts need."""
    cells = itertools.product((1, 2, 4), ("flash", "math"))
    arguments = [(f"batch_size={batch}", f"attention={attention}") for batch, attention in cells]
    rounds = () if any(o.startswith("protocol.rounds") for o in overrides) else (
        "protocol.rounds=null",
    )  # fmt: skip
    return [
        numbered(planned_cell(compose, *each, *rounds, *overrides), index)
        for index, each in enumerate(arguments)
    ]


def numbered(planned: PlannedCell, index: int) -> PlannedCell:
    cell: Cell = dataclasses.replace(planned.cell, index=index)
    return dataclasses.replace(planned, cell=cell)


def schedule(
    plan: list[PlannedCell],
    looks: SweepLooks,
    notes: Notes,
    finished: Finished | None = None,
    deadline: float | None = None,
) -> Schedule:
    finished = finished or nothing_finished()
    return Schedule(
        plan=plan,
        looks=looks,
        records=dict(finished.records),
        used_positions=set(finished.positions),
        watcher=notes,
        at_once=1,
        deadline=deadline,
    )


def record_of(turn: Turn, seconds: float) -> Record:
    config = turn.planned.cell.config
    if turn.planned.reason is not None:
        return structs.replace(
            sample_record(status="unsupported", reason="cannot", **choices(config)),
            cell_hash=turn.planned.cell.hash,
        )
    record = sample_record(
        seconds, round_index=turn.round, cell_hash=turn.planned.cell.hash,
        extra={"looks": turn.looks, "position": turn.position}, **choices(config),
    )  # fmt: skip
    assert record.times is not None
    return structs.replace(record, times=structs.replace(record.times, worker_s=5.0))


def run(running: Schedule, runtime: Runtime, stop_after: int | None = None) -> list[Turn]:
    """All turns of a schedule, each with its record as soon as it is there."""
    turns: list[Turn] = []
    for of_round in running.rounds():
        for turn in of_round:
            if len(turns) == stop_after:
                return turns
            record = record_of(turn, runtime(turn.planned, turn.round))
            running.records[turn.cell_index, turn.round] = record
            turns.append(turn)
    return turns


def clear_but_for_batch_4(planned: PlannedCell, round_index: int) -> float:
    """Flash is 20 % faster at batches 1 and 2; at 4 it is sometimes faster, sometimes slower."""
    config = planned.cell.config
    noise = random.Random(f"{planned.cell.hash}:{round_index}").gauss(0, 0.003)
    is_math = config.attention.backend == "math"
    if config.workload.batch_size == 4:
        return 4.0 * (1 + noise * 20)
    return (1.2 if is_math else 1.0) * (1 + noise)


@pytest.mark.slow
def test_decided_cells_rest_and_the_undecided_go_on_to_the_last_look(
    compose_config: Compose,
) -> None:
    plan = sweep_plan(compose_config)
    looks, notes = plan_looks_of(plan, nothing_finished(), 10), Notes()
    assert looks.stops == (6, 8, 10)
    assert looks.family == {"cpu": 3}
    assert looks.fewest_deciding == 6
    running = schedule(plan, looks, notes)
    turns = run(running, clear_but_for_batch_4)
    assert notes.looks == [(6, 2), (8, 2), (10, 0)]
    per_cell = Counter(turn.cell_index for turn in turns)
    assert [per_cell[index] for index in range(6)] == [6, 6, 6, 6, 10, 10]
    assert [turn.position for turn in turns] == list(range(len(turns)))
    asked_by = {turn.round: turn.looks.asked_by for turn in turns if turn.looks is not None}
    assert asked_by == {**dict.fromkeys(range(6), 0), 6: 6, 7: 6, 8: 8, 9: 8}
    # the analysis, from the records alone, has decided what the launcher has
    comparisons = compare_cells(pool_records(running.records.values()))
    settled = {c.cell.choices["batch_size"] for c in comparisons if c.is_settled and c.difference}
    undecided = {c.cell.choices["batch_size"] for c in comparisons if not c.is_settled}
    assert (settled >= {1, 2}, undecided) == (True, {4})
    assert {turn.looks.baseline for turn in turns if turn.looks is not None} == {"attention=math"}


@pytest.mark.slow
def test_a_cell_whose_worker_finds_that_it_cannot_run_has_one_round(
    compose_config: Compose,
) -> None:
    """No rule knew it, and every further round would start a process to find the same."""
    plan, notes = sweep_plan(compose_config, "protocol.rounds=3"), Notes()
    running = schedule(plan, plan_looks_of(plan, nothing_finished(), 3), notes)
    rounds = Counter[int]()
    for of_round in running.rounds():
        for turn in of_round:
            record = record_of(turn, 1.0)
            if turn.cell_index == 2:
                record = structs.replace(record, status="unsupported", times=None)
            running.records[turn.cell_index, turn.round] = record
            rounds[turn.cell_index] += 1
    assert [rounds[index] for index in range(6)] == [3, 3, 1, 3, 3, 3]


def test_everything_rests_when_all_is_decided(compose_config: Compose) -> None:
    plan, notes = sweep_plan(compose_config), Notes()
    looks = plan_looks_of(plan, nothing_finished(), 30)
    turns = run(
        schedule(plan, looks, notes),
        lambda planned, r: clear_but_for_batch_4(plan[planned.cell.index % 4], r),
    )
    assert len(turns) == 36
    assert notes.looks == [(6, 0)]


@pytest.mark.parametrize("stop_after", [1, 20, 36, 37, 41])
def test_an_interrupted_sweep_goes_on_with_the_same_rounds_in_the_same_places(
    compose_config: Compose, stop_after: int
) -> None:
    plan = sweep_plan(compose_config)
    looks = plan_looks_of(plan, nothing_finished(), 10)
    whole = run(schedule(plan, looks, Notes()), clear_but_for_batch_4)
    first = schedule(plan, looks, Notes())
    done = run(first, clear_but_for_batch_4, stop_after)
    finished = dataclasses.replace(
        nothing_finished(), records=first.records, positions={turn.position for turn in done}
    )
    again = plan_looks_of(plan, finished, 30)  # its original plan counts, not the present one
    assert again.stops == looks.stops
    rest = run(schedule(plan, again, Notes(), finished), clear_but_for_batch_4)
    assert [(t.cell_index, t.round, t.position, t.looks) for t in done + rest] == [
        (t.cell_index, t.round, t.position, t.looks) for t in whole
    ]


class Clock:
    """A monotonic clock that each turn advances by the time in its record and its overhead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def run(self, running: Schedule, worker_s: Callable[[PlannedCell], float]) -> list[Turn]:
        """All turns of a schedule, whose cells' workers live so long."""
        turns: list[Turn] = []
        for of_round in running.rounds():
            for turn in of_round:
                record = record_of(turn, clear_but_for_batch_4(turn.planned, turn.round))
                assert record.times is not None
                lived_s = worker_s(turn.planned)
                times = structs.replace(record.times, worker_s=lived_s)
                record = structs.replace(record, times=times)
                running.records[turn.cell_index, turn.round] = record
                turns.append(turn)
                self.now += lived_s + 0.5
        return turns


@pytest.mark.parametrize(
    ("seconds_after_the_first_look", "rounds_of_batch_4", "over_budget"),
    [(12, 7, True), (8, 6, True), (1000, 10, False)],
)
def test_after_the_first_look_no_round_begins_that_would_end_after_the_deadline(
    compose_config: Compose,
    monkeypatch: pytest.MonkeyPatch,
    seconds_after_the_first_look: float,
    rounds_of_batch_4: int,
    over_budget: bool,
) -> None:
    """A round of the two undecided cells takes 11 s, a round of all six 33 s."""
    plan, notes, clock = sweep_plan(compose_config), Notes(), Clock(monkeypatch)
    looks = plan_looks_of(plan, nothing_finished(), 10)
    deadline = clock.now + 6 * 33 + seconds_after_the_first_look
    turns = clock.run(schedule(plan, looks, notes, deadline=deadline), lambda planned: 5.0)
    per_cell = Counter(turn.cell_index for turn in turns)
    assert [per_cell[index] for index in range(6)] == [6, 6, 6, 6, *[rounds_of_batch_4] * 2]
    assert (notes.is_over_budget, notes.rested) == (over_budget, [])


def test_a_deadline_that_is_over_begins_no_round(compose_config: Compose) -> None:
    plan, notes = sweep_plan(compose_config), Notes()
    looks = plan_looks_of(plan, nothing_finished(), 30)
    turns = run(schedule(plan, looks, notes, deadline=time.monotonic()), clear_but_for_batch_4)
    assert (turns, notes.is_over_budget) == ([], True)


def test_where_the_budget_has_no_room_for_all_the_costliest_cells_rest(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch 4 takes 60 s per cell. Without one of its two cells the other has no partner."""

    def worker_s(planned: PlannedCell) -> float:
        return 60.0 if planned.cell.config.workload.batch_size == 4 else 5.0

    plan, notes, clock = sweep_plan(compose_config), Notes(), Clock(monkeypatch)
    looks = plan_looks_of(plan, nothing_finished(), 10)
    running = schedule(plan, looks, notes, deadline=clock.now + 300)
    began = clock.now
    per_cell = Counter(turn.cell_index for turn in clock.run(running, worker_s))
    assert [per_cell[index] for index in range(6)] == [6, 6, 6, 6, 1, 1]
    assert clock.now - began <= 300
    assert len(notes.rested) == 2
    assert all("batch_size=4" in label for label in notes.rested)
    verdicts = compare_cells(pool_records(running.records.values()))
    decided = [c.cell.choices["batch_size"] for c in verdicts if c.difference and c.is_settled]
    assert set(decided) >= {1, 2}


@pytest.mark.parametrize(("warm_s", "rounds_of_batch_4"), [(10.0, 6), (60.0, 2)])
def test_what_costs_in_the_first_round_only_does_not_rest(
    compose_config: Compose,
    monkeypatch: pytest.MonkeyPatch,
    warm_s: float,
    rounds_of_batch_4: int,
) -> None:
    """A conversion that is cached, and a compilation that is not."""
    begun: Counter[str] = Counter()

    def worker_s(planned: PlannedCell) -> float:
        if planned.cell.config.workload.batch_size != 4:
            return 5.0
        begun[planned.cell.hash] += 1
        return 60.0 if begun[planned.cell.hash] == 1 else warm_s

    plan, notes, clock = sweep_plan(compose_config), Notes(), Clock(monkeypatch)
    looks = plan_looks_of(plan, nothing_finished(), 6)
    began = clock.now
    running = schedule(plan, looks, notes, deadline=began + 500)
    per_cell = Counter(turn.cell_index for turn in clock.run(running, worker_s))
    assert [per_cell[index] for index in range(6)] == [6, 6, 6, 6, *[rounds_of_batch_4] * 2]
    assert len(notes.rested) == (0 if rounds_of_batch_4 == 6 else 2)
    assert clock.now - began <= 500


def test_where_no_comparison_would_be_left_every_cell_gets_what_fits(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, notes, clock = sweep_plan(compose_config), Notes(), Clock(monkeypatch)
    looks = plan_looks_of(plan, nothing_finished(), 10)
    running = schedule(plan, looks, notes, deadline=clock.now + 100)
    per_cell = Counter(turn.cell_index for turn in clock.run(running, lambda planned: 8.0))
    assert [per_cell[index] for index in range(6)] == [2, 2, 2, 2, 2, 2]
    assert (notes.is_over_budget, notes.rested) == (True, [])


@pytest.mark.slow
def test_more_rounds_are_for_the_undecided_and_stay_within_the_plan(
    compose_config: Compose,
) -> None:
    plan = sweep_plan(compose_config)
    looks = plan_looks_of(plan, nothing_finished(), 10)
    first = schedule(plan, looks, Notes())
    done = run(first, clear_but_for_batch_4)
    finished = dataclasses.replace(nothing_finished(), records=first.records)
    more = sweep_plan(compose_config, "resume=true", "more_rounds=5")
    extended = plan_looks_of(more, finished, 30)
    assert extended.stops == (6, 8, 10, 13, 15)
    rest = run(schedule(more, extended, Notes(), finished), clear_but_for_batch_4)
    assert {turn.cell_index for turn in rest} == {4, 5}
    assert max(turn.round for turn in rest) <= 14
    assert {t.looks and tuple(t.looks.looks) for t in done + rest} == {(6, 8, 10)}
    with pytest.raises(ConfigError, match="planned to end after 20"):
        plan_looks_of(sweep_plan(compose_config, "resume=true", "more_rounds=11"), finished, 30)


def test_fixed_rounds_are_one_look_at_the_end(compose_config: Compose) -> None:
    plan = sweep_plan(compose_config, "protocol.rounds=3")
    looks, notes = plan_looks_of(plan, nothing_finished(), 30), Notes()
    assert (looks.stops, looks.fewest_deciding) == ((3,), 6)
    assert len(run(schedule(plan, looks, notes), clear_but_for_batch_4)) == 18
    assert notes.looks == [(3, 0)]


@pytest.mark.slow
def test_a_sweep_without_planned_looks_is_not_planned_afterwards(compose_config: Compose) -> None:
    plan = sweep_plan(compose_config, "protocol.rounds=2")
    looks = plan_looks_of(plan, nothing_finished(), 2)
    first = schedule(plan, looks, Notes())
    run(first, clear_but_for_batch_4)
    old = {key: structs.replace(record, looks=None) for key, record in first.records.items()}
    finished = dataclasses.replace(nothing_finished(), records=old)
    plan = sweep_plan(compose_config, "resume=true")
    looks = plan_looks_of(plan, finished, 30)
    assert (looks.plan, looks.stops) == (None, (6,))
    turns = run(schedule(plan, looks, Notes(), finished), clear_but_for_batch_4)
    assert len(turns) == 24
    assert all(turn.looks is None for turn in turns)


def test_cells_that_cannot_be_compared_get_the_first_rounds_only(compose_config: Compose) -> None:
    plan = sweep_plan(compose_config)
    plan = [dataclasses.replace(p, reason="cannot") if i % 2 else p for i, p in enumerate(plan)]
    looks, notes = plan_looks_of(plan, nothing_finished(), 30), Notes()
    assert (looks.family, looks.fewest_deciding) == ({}, None)
    running = schedule(plan, looks, notes)
    turns = run(running, lambda planned, r: math.pi)
    assert Counter(turn.cell_index for turn in turns) == {0: 6, 1: 1, 2: 6, 3: 1, 4: 6, 5: 1}
