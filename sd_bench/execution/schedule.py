"""Decides which rounds come next: the whole matrix again, without cells whose verdicts are decided.

All cells get the rounds up to the first look. If the budget has no room for that, cells whose
rounds take much longer than others' rest after the first one or two, so that the others reach
verdicts. At each planned look the comparisons are judged as the analysis judges them; cells whose
comparisons are all decided rest, and the others get rounds up to the next look, while there is
time.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.execution.worker_process import Turn
from sd_bench.measurement.disturbances import disturbances
from sd_bench.records import Record
from sd_bench.verdicts.comparisons import Comparison

#: Seconds of a round outside its worker's life.
_AROUND_A_WORKER_S = 0.5
#: A cell is costly if its rounds take this many times as long as the median cell's.
_COSTLY = 3.0


class LookWatcher(Protocol):
    """Receives the results of the looks."""

    def looked(self, rounds: int, comparisons: Sequence[Comparison], going_on: int) -> None: ...

    def budget_spent(self) -> None: ...

    def resting(self, cells: Sequence[PlannedCell], after: int, rounds: int) -> None: ...


@dataclass(slots=True)
class Schedule:
    """The rounds of a sweep, decided while it runs.

    ``records`` are those of all rounds so far, by cell and round; the caller that runs the rounds
    adds to them. ``deadline`` is on the monotonic clock. A round of the matrix that is under way
    then is finished; after the first look no round starts that would end later.
    """

    plan: Sequence[PlannedCell]
    looks: SweepLooks
    records: dict[tuple[int, int], Record]
    used_positions: set[int]
    watcher: LookWatcher
    at_once: int
    deadline: float | None
    _targets: list[int] = field(default_factory=list)
    _asked_by: list[int] = field(default_factory=list)

    def rounds(self) -> Iterator[list[Turn]]:
        """The turns of each round in the order they run, without those that have a record."""
        self._targets = [self.looks.first_target(cell) for cell in self.plan]
        self._asked_by = [0] * len(self.plan)
        profiled = {index for (index, _), record in self.records.items() if record.profile}
        position = 0
        for round_index in count():
            if round_index in (1, 2):
                self._rest_what_does_not_fit(round_index)
            if self.looks.is_look(round_index):
                self._look(round_index)
            indices = [
                index
                for index, target in enumerate(self._targets)
                if round_index < target and not self._cannot_run(index, round_index)
            ]
            if not indices:
                return
            turns = []
            shuffled = shuffle_round(self.plan, round_index, indices)
            for place, index in enumerate(shuffled, position):
                if (index, round_index) not in self.records:
                    turns.append(self._turn(index, round_index, place, index not in profiled))
                    profiled.add(index)
            position += len(indices)
            if turns and self._is_too_late(round_index, turns):
                self.watcher.budget_spent()
                return
            if turns:
                yield turns

    def _rest_what_does_not_fit(self, rounds: int) -> None:
        """Let costly cells rest, if the rounds of all cells up to the first look take too long.

        A cell is costly if it takes ``_COSTLY`` times as long as the median cell, as one that
        compiles in each process may; a disturbed round does not count. The second round may reuse
        what the first has converted or compiled, so the decision waits for it if there is time. A
        cell that has nothing left to be compared with rests too. If that does not make enough room,
        or leaves no comparison, all cells go on: estimates of all are worth more than of a few.
        """
        if self.deadline is None:
            return
        left_s = self.deadline - time.monotonic()
        going_on = {
            index
            for index, target in enumerate(self._targets)
            if target > rounds and not self._cannot_run(index, rounds)
        }
        if not going_on:
            return
        costs = {index: self._rounds_ahead_s(index, rounds) for index in going_on}
        least_s = _COSTLY * statistics.median(costs.values())
        costly = {i for i in going_on if costs[i] >= least_s and not self._was_disturbed(i)}
        if rounds == 1 and left_s >= sum(
            self._expected_round_s(i) / self.at_once if i in costly else costs[i] for i in going_on
        ):
            return
        kept = set(going_on)
        while kept & costly and sum(costs[index] for index in kept) > left_s:
            kept.remove(max(kept & costly, key=lambda index: (costs[index], index)))
            kept = self.looks.compared_within(kept)
        if not kept or kept == going_on or sum(costs[index] for index in kept) > left_s:
            return
        resting = sorted(going_on - kept)
        for index in resting:
            self._targets[index] = rounds
        self.watcher.resting([self.plan[index] for index in resting], rounds, self.looks.first)

    def _was_disturbed(self, index: int) -> bool:
        record = self.records.get((index, 0))
        return record is not None and bool(disturbances(record))

    def _rounds_ahead_s(self, index: int, rounds: int) -> float:
        """Seconds of a cell's rounds up to the first look that have no record yet."""
        ahead = [n for n in range(rounds, self._targets[index]) if (index, n) not in self.records]
        return len(ahead) * self._expected_round_s(index) / self.at_once

    def _cannot_run(self, index: int, round_index: int) -> bool:
        """Whether the worker of an earlier round found that the cell cannot run here."""
        earlier = (self.records.get((index, other)) for other in range(round_index))
        return any(record is not None and record.status == "unsupported" for record in earlier)

    def _turn(self, index: int, round_index: int, place: int, profiled: bool) -> Turn:
        """A turn at position ``place``, or after all used positions if the matrix has changed."""
        if place in self.used_positions:
            place = 1 + max(self.used_positions)
        self.used_positions.add(place)
        return Turn(
            planned=self.plan[index],
            cell_index=index,
            round=round_index,
            position=place,
            profiled=profiled,
            looks=self.looks.of(index, self._asked_by[index]),
        )

    def _look(self, rounds: int) -> None:
        comparisons = self.looks.judge(self.records.values())
        undecided = self.looks.cells_of(filter(can_be_decided, comparisons))
        following = self.looks.next_after(rounds)
        going_on = [
            index for index in undecided if self._targets[index] == rounds and following is not None
        ]
        for index in going_on:
            assert following is not None
            self._targets[index], self._asked_by[index] = following, rounds
        self.watcher.looked(rounds, comparisons, len(going_on))

    def _is_too_late(self, round_index: int, turns: Sequence[Turn]) -> bool:
        if self.deadline is None:
            return False
        left_s = self.deadline - time.monotonic()
        if left_s <= 0 or round_index < self.looks.first:
            return left_s <= 0
        return self._expected_s(turns) > left_s

    def _expected_s(self, turns: Sequence[Turn]) -> float:
        """The estimated seconds of these turns, from the earlier rounds of their cells."""
        return sum(self._expected_round_s(turn.cell_index) for turn in turns) / self.at_once

    def _expected_round_s(self, cell_index: int) -> float:
        """The mean of the cell's last rounds, without the first if there are others: it had no
        caches."""
        earlier = [
            record.times.worker_s + _AROUND_A_WORKER_S
            for (index, _), record in self.records.items()
            if index == cell_index and record.times and record.times.worker_s
        ]
        counted = earlier[1:][-3:] or earlier
        return sum(counted) / max(1, len(counted))


def shuffle_round(
    plan: Sequence[PlannedCell], round_index: int, indices: Sequence[int]
) -> list[int]:
    """The cells of a round in the order they run.

    The order depends on ``order_seed`` and the round's number, so that no cell always runs after
    the same other one.
    """
    shuffled = list(indices)
    seed = plan[shuffled[0]].cell.config.protocol.order_seed
    random.Random(f"{seed}:{round_index}").shuffle(shuffled)
    return shuffled


def can_be_decided(comparison: Comparison) -> bool:
    """Whether more rounds may decide a comparison: it is not settled and both sides have times."""
    return not comparison.is_settled and comparison.difference is not None


def spent_s(finished: Finished) -> float:
    """The seconds that the finished rounds took."""
    workers = (record.times.worker_s for record in finished.records.values() if record.times)
    return sum(seconds + _AROUND_A_WORKER_S for seconds in workers if seconds)
