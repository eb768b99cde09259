"""The race: candidates on top of the fastest so far, in long-lived processes timed in turn.

Only one process computes at a time. A candidate that is not faster by the rule of all verdicts is
dropped; a faster one becomes the base of the next candidates.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from sd_bench.errors import ConfigError
from sd_bench.tuning.candidates import Candidate, Candidates
from sd_bench.tuning.elimination import LAST_LOOK, judge_units, why_another_picture
from sd_bench.tuning.ladder import Rung, put_on_top
from sd_bench.tuning.processes import Processes
from sd_bench.tuning.rows import (
    BASE,
    IN,
    NOT_TRIED,
    OUT,
    RACING,
    STARTING,
    WAITING,
    Row,
)
from sd_bench.tuning.timing_process import CandidateLostError, Ready

#: Candidates that are tried on top of one base at a time.
_AT_ONCE = 2
#: The shortest turn in seconds: several short calls are timed in a row to fill it.
_TURN_S = 0.3
_MOST_CALLS = 200
#: A candidate counts as hanging if it is not ready after this multiple of the default's time, and
#: at least this many seconds.
_TIMES_AS_LONG, _LEAST_START_S = 40.0, 120.0
#: The fewest turns that can decide anything; a candidate without time for them is not started.
_FEWEST_TURNS = 6


class RaceWatcher(Protocol):
    """Told about changes of candidates' rows and warnings, never while a call is timed."""

    def changed(self, row: Row) -> None: ...

    def warned(self, sentence: str) -> None: ...


@dataclass(slots=True)
class Race:
    """One race over the ``rungs`` of a ladder.

    ``rows`` are those of an earlier race of the same workload; this race adds its own. Times are on
    the monotonic clock: after ``deadline`` nothing is started, at ``patience_end`` a candidate that
    is still starting is given up, at ``end`` even the default. A compiled candidate must pay off
    within ``images`` images. ``save`` is called with all rows after each candidate.
    """

    candidates: Candidates
    rungs: Sequence[Rung]
    typed_names: frozenset[str]
    rows: dict[tuple[tuple[str, ...], tuple[str, ...]], Row]
    images: int
    deadline: float
    patience_end: float
    end: float
    processes: Processes
    watcher: RaceWatcher
    save: Callable[[Sequence[Row]], None]
    _listed: list[Row] = field(default_factory=list)
    _seen: set[str | None] = field(default_factory=set)

    @property
    def listed(self) -> list[Row]:
        """The rows so far, in order."""
        return list(self._listed)

    def run(self) -> list[Row]:
        """Try all rungs, and return the rows of all candidates in order.

        Raises ConfigError if there is nothing to choose between, or if the default cannot be timed
        or does not fit into the budget.
        """
        default = self.candidates.default()
        self._check_choice(default)
        self._seen = {default.hash}
        with self.processes:
            base, base_row = default, self._time_default(default)
            queue = deque(self.rungs)
            while queue:
                batch = self._take(queue, base)
                won, waiting = self._race(base, base_row, batch)
                queue.extendleft(reversed(waiting))
                if won:
                    (rung, base, base_row), *others = won
                    fitting = [other for other, *_ in others if not other.names & rung.names]
                    queue.extendleft(reversed(fitting))
        return self._listed

    def _check_choice(self, default: Candidate) -> None:
        """Raises ConfigError if no candidate can run on top of the default."""
        for rung in self.rungs:
            if self._typed_in(rung):
                continue
            candidate = self.candidates.make(rung.overrides)
            if candidate.reason is None and candidate.hash != default.hash:
                return
        raise ConfigError(
            "nothing to choose between: every switch in conf/tune.yaml is set on the command line, "
            "is already the default or cannot run here; set fewer of them"
        )

    def _typed_in(self, rung: Rung) -> list[str]:
        """The typed names, settings or whole groups, that a rung would change."""
        return sorted(
            typed
            for typed in self.typed_names
            if any(name == typed or name.startswith(f"{typed}.") for name in rung.names)
        )

    def _time_default(self, default: Candidate) -> Row:
        row = self.rows.get(((), ()))
        if row is None or row.status != BASE:
            self._show(Row(overrides=(), status=STARTING))
            try:
                ready = self.processes.start(default, self.end - time.monotonic())
            except CandidateLostError as error:
                raise ConfigError(_why_no_default(default, error)) from None
            row = replace(_timed(Row(overrides=()), ready), status=BASE, speedup=1.0, score=1.0)
            needed_s = 2 * ready.ready_s + 2 * _FEWEST_TURNS * max(ready.call_s, _TURN_S)
            if time.monotonic() + needed_s - ready.ready_s > self.end:
                raise ConfigError(
                    f"budget too small for one candidate, which takes about {needed_s:.0f} s "
                    f"here with the default; give budget={_minutes(6 * needed_s)}min or more"
                )
        self._keep(row)
        return row

    def _take(self, queue: deque[Rung], base: Candidate) -> list[tuple[Rung, Candidate]]:
        """The next candidates to time; those that cannot be timed get their rows at once."""
        batch: list[tuple[Rung, Candidate]] = []
        while queue and len(batch) < _AT_ONCE:
            rung = queue.popleft()
            on = () if rung.is_alone else base.overrides
            candidate = self.candidates.make(put_on_top(on, rung.overrides))
            row = Row(overrides=candidate.overrides, base=base.overrides, is_alone=rung.is_alone)
            if typed := self._typed_in(rung):
                reason = f"set on the command line: {', '.join(typed)}"
                self._keep(replace(row, status=NOT_TRIED, reason=reason))
            elif candidate.reason is not None:
                self._keep(replace(row, status="unsupported", reason=candidate.reason))
            elif candidate.hash not in self._seen:
                self._seen.add(candidate.hash)
                batch.append((rung, candidate))
        return batch

    def _race(
        self, base: Candidate, base_row: Row, batch: Sequence[tuple[Rung, Candidate]]
    ) -> tuple[list[tuple[Rung, Candidate, Row]], list[Rung]]:
        """Time a batch of candidates on top of ``base``.

        Returns those that may be the next base, fastest first, and those that wait for memory.
        """
        rows = []
        for rung, candidate in batch:
            blank = Row(overrides=candidate.overrides, base=base.overrides, is_alone=rung.is_alone)
            known = self.rows.get(blank.key)
            rows.append(known if known is not None and known.is_final else blank)
        missing = [
            (candidate, row)
            for (_, candidate), row in zip(batch, rows, strict=True)
            if not row.is_final
        ]
        timed = {row.key: row for row in self._time(base, base_row, missing)} if missing else {}
        rows = [timed.get(row.key, row) for row in rows]
        waiting = []
        for (rung, candidate), row in zip(batch, rows, strict=True):
            if row.status == WAITING:
                self._seen.discard(candidate.hash)
                waiting.append(rung)
            else:
                self._keep(row)
        won = [
            (rung, candidate, row)
            for (rung, candidate), row in zip(batch, rows, strict=True)
            if row.status == IN and not row.is_alone
        ]
        won.sort(key=lambda each: each[2].score or 0.0, reverse=True)
        kept = won[0][1].overrides if won else base.overrides
        self.processes.close_all_but(kept)
        return won, waiting

    def _time(
        self, base: Candidate, base_row: Row, missing: Sequence[tuple[Candidate, Row]]
    ) -> list[Row]:
        if self._is_too_late(base_row, base):
            reason = "no time left in the budget"
            return [replace(row, status=NOT_TRIED, reason=reason) for _, row in missing]
        if base.overrides not in self.processes.live:
            self._start_base(base)
        racing: dict[tuple[str, ...], Row] = {}
        ended: list[Row] = []
        for candidate, row in missing:
            started = self._begin(candidate, row, base, base_row)
            if started.status == RACING:
                racing[candidate.overrides] = started
            else:
                ended.append(started)
        return [*ended, *self._take_turns(base, base_row, racing)]

    def _default_ready_s(self) -> float:
        return self.rows[(), ()].ready_s or 0.0

    def _start_base(self, base: Candidate) -> None:
        try:
            self.processes.start(base, self.end - time.monotonic())
        except CandidateLostError as error:
            raise ConfigError(_why_no_default(base, error)) from None

    def _begin(self, candidate: Candidate, row: Row, base: Candidate, base_row: Row) -> Row:
        """Start the candidate's process; the row says whether it races, or why it does not."""
        if self._is_too_late(base_row, candidate):
            return replace(row, status=NOT_TRIED, reason="no time left in the budget")
        if (why := self.processes.why_no_room()) is not None:
            has_room_later = self.processes.live > {base.overrides}
            return row if has_room_later else replace(row, status=NOT_TRIED, reason=why)
        self._show(replace(row, status=STARTING))
        left_s = self.patience_end - time.monotonic()
        longest_s = max(_LEAST_START_S, _TIMES_AS_LONG * self._default_ready_s())
        try:
            ready = self.processes.start(candidate, min(left_s, longest_s))
        except CandidateLostError as error:
            if error.status == "timeout" and left_s < longest_s:
                reason = "not ready in time: give it a larger budget"
                return replace(row, status=NOT_TRIED, reason=reason)
            return replace(row, status=error.status, reason=str(error))
        timed = _timed(row, ready)
        if (why := why_another_picture(timed, candidate, base_row, base)) is not None:
            return replace(row, status="invalid", reason=why)
        racing = replace(timed, status=RACING)
        self._show(racing)
        return racing

    def _is_too_late(self, base_row: Row, candidate: Candidate) -> bool:
        """Whether a candidate's start and fewest turns would probably end after the deadline.

        A candidate that compiles is expected to take as long as the quickest that has compiled.
        """
        ready_s = base_row.ready_s or 0.0
        compiling = [
            ready.ready_s
            for overrides, ready in self.processes.ready.items()
            if self.candidates.make(overrides).is_compiled
        ]
        if candidate.is_compiled and compiling and candidate.overrides not in self.processes.live:
            ready_s = max(ready_s, min(compiling))
        turns_s = 2 * _FEWEST_TURNS * max(base_row.call_s or 0.0, _TURN_S)
        return time.monotonic() + ready_s + turns_s > self.deadline

    def _take_turns(
        self, base: Candidate, base_row: Row, racing: dict[tuple[str, ...], Row]
    ) -> list[Row]:
        """Time base and candidates in turn until each is decided or time or turns run out.

        Returns the final rows of the candidates in ``racing``.
        """
        ended: list[Row] = []
        family = len(racing)
        calls = _calls_per_turn(self.processes.ready[base.overrides].call_s)
        shuffle = random.Random(0)
        for turn in range(LAST_LOOK):
            if not racing or (turn >= _FEWEST_TURNS and time.monotonic() > self.deadline):
                break
            order = [base.overrides, *racing]
            shuffle.shuffle(order)
            seconds, lost = self.processes.time_each(order, calls, base.config)
            if base.overrides in lost:
                raise ConfigError(_why_no_default(base, lost[base.overrides]))
            ended += [_lost(racing.pop(overrides), error) for overrides, error in lost.items()]
            for overrides, row in racing.items():
                units = (*row.units, (seconds[base.overrides], seconds[overrides]))
                racing[overrides] = replace(row, units=units)
            for overrides, row in list(racing.items()):
                judged = judge_units(row, base_row, family, self.images, self._batch_size(base))
                racing[overrides] = judged
                self._show(judged)
                if judged.status in (IN, OUT):
                    ended.append(racing.pop(overrides))
        for row in racing.values():
            judged = judge_units(
                row, base_row, family, self.images, self._batch_size(base), is_last=True
            )
            ended.append(judged)
        return ended

    def _batch_size(self, base: Candidate) -> int:
        return base.config.workload.batch_size

    def _show(self, row: Row) -> None:
        self.watcher.changed(row)

    def _keep(self, row: Row) -> None:
        self.rows[row.key] = row
        self._listed = [each for each in self._listed if each.key != row.key] + [row]
        self.save(self._listed)
        self._show(row)


def _timed(row: Row, ready: Ready) -> Row:
    return replace(
        row,
        call_s=ready.call_s,
        ready_s=ready.ready_s,
        compile_s=max(0.0, ready.first_call_s - ready.call_s),
        convert_s=ready.convert_s,
        num_calls=ready.num_calls,
        memory_bytes=ready.memory_bytes,
        sketch=ready.sketch,
    )


def _lost(row: Row, error: CandidateLostError) -> Row:
    return replace(row, status=error.status, reason=str(error))


def _calls_per_turn(call_s: float) -> int:
    return max(1, min(_MOST_CALLS, round(_TURN_S / call_s)))


def _why_no_default(base: Candidate, error: CandidateLostError) -> str:
    workload = base.config.workload
    what = (
        f"{base.config.model_version.name} at {workload.width}x{workload.height} pixels, batch "
        f"size {workload.batch_size}, {base.label}"
    )
    if error.status == "oom" or "without memory" in str(error):
        return f"{what}: does not fit into memory ({error}); take a smaller size or batch"
    if error.status == "timeout":
        return f"{what}: budget too small for one candidate: {error}; give a larger budget"
    return f"{what}: {error.status}: {error}"


def _minutes(seconds: float) -> int:
    return max(1, round(seconds / 60 + 0.5))
