"""The final: the best two, the default and diffusers as documented, in rounds by the protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.shown_cells import show_cells
from sd_bench.execution.sweep import Watcher, run_sweep
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.records import Record, RecordError, find_records, read_record
from sd_bench.records.sweep_file import is_sweep
from sd_bench.statistics.runtime import typical_runtime
from sd_bench.tuning.line_up import Finalist, LineUp
from sd_bench.verdicts.answers import NO_CLAIM
from sd_bench.verdicts.cells import Cell as VerdictCell
from sd_bench.verdicts.cells import pool_records
from sd_bench.verdicts.comparisons import Comparison, Difference, Sides, judge_sides
from sd_bench.verdicts.judgement import DEFAULT_MARGIN
from sd_bench.verdicts.planned_looks import PlannedLooks

#: The words that rule out a rival against the default: no claim is possible, or there is no gain.
_NO_GAIN = (NO_CLAIM, "slower", "same")


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """The choice against another finalist: the verdict's word, and the sentence about it.

    ``speedup`` is that of the choice, with the 95 % interval ``low`` to ``high``; all are NaN
    without a comparison.
    """

    against: tuple[str, ...]
    word: str
    sentence: str
    speedup: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rounds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalResult:
    """The final's result: the overrides of the ``choice``, and how it compares with the others.

    ``runtimes_s`` are the typical runtimes in seconds by finalist. ``failed``: a round failed.
    """

    choice: tuple[str, ...]
    versus: tuple[Versus, ...]
    runtimes_s: dict[tuple[str, ...], float]
    failed: bool


class FinalWatcher(Watcher, Protocol):
    """A sweep's watcher that keeps the sweep's looks, plan and records."""

    looks: SweepLooks | None
    plan: list[PlannedCell]
    records: list[list[Record]]


def run_final(lined_up: LineUp, folder: Path, left_s: float, watcher: FinalWatcher) -> None:
    """Measure the missing rounds of the final in ``folder``; ``watcher`` keeps the results.

    Raises the errors of a sweep.
    """
    resumes = is_sweep(folder)
    budget_s = left_s + (_measured_s(folder) if resumes else 0.0)
    cells = []
    for index, finalist in enumerate(lined_up.finalists):
        config = finalist.candidate.config
        protocol = config.protocol
        if protocol.rounds is None:
            protocol = replace(
                protocol,
                min_rounds=lined_up.rounds,
                max_rounds=lined_up.rounds,
                budget=f"{max(1.0, budget_s):.0f}s",
            )
        cells.append(
            Cell(
                config=replace(config, protocol=protocol, resume=resumes),
                index=index,
                label=finalist.candidate.label,
                folder=folder / str(index),
                sweep_folder=folder,
            )
        )
    run_sweep(cells, watcher, folder, arguments=[])  # only a tune can recompose these cells


def _measured_s(folder: Path) -> float:
    """The total seconds that the workers of the final's rounds have run so far."""
    total_s = 0.0
    for path in find_records(folder):
        try:
            times = read_record(path).times
        except RecordError:
            continue
        total_s += (times.worker_s or 0.0) if times is not None else 0.0
    return total_s


def judge_final(lined_up: LineUp, watcher: FinalWatcher) -> FinalResult:
    """Make the choice, and judge it against the others, as one family of comparisons.

    The choice is the first rival, unless the second is faster by verdict. The family therefore
    includes both rivals against all others. Raises ConfigError if no finalist has times.
    """
    looks, plan, records = watcher.looks, watcher.plan, watcher.records
    if looks is None:
        raise ConfigError("the final has no result")
    cells = _by_index(looks, records)
    measured = [index for index, cell in cells.items() if cell.is_measured]
    order = list(range(len(lined_up.finalists)))
    family = _family(lined_up)
    by_overrides = {f.candidate.overrides: index for index, f in enumerate(lined_up.finalists)}

    def compare(one: int, other: int) -> Versus:
        finalist = lined_up.finalists[other]
        return _versus(finalist, cells, one, other, looks, family, plan, records)

    choice = _choose(lined_up.rivals, by_overrides[()], measured, compare)
    if choice is None:
        raise ConfigError(f"no finalist has times: {_why_none(records)}")
    versus = [compare(choice, other) for other in order if other != choice and other in cells]
    names = {index: f.candidate.overrides for index, f in enumerate(lined_up.finalists)}
    return FinalResult(
        choice=names[choice],
        versus=tuple(versus),
        runtimes_s={
            names[index]: typical_runtime(list(cells[index].runs.values())).seconds
            for index in measured
            if cells[index].runs
        },
        failed=any(r.status not in ("ok", "unsupported") for of_cell in records for r in of_cell),
    )


def _family(lined_up: LineUp) -> int:
    """The number of comparisons of each rival with all others."""
    others = len(lined_up.finalists) - 1
    return max(1, sum(others - at for at in range(len(lined_up.rivals))))


def _choose(
    rivals: Sequence[int],
    default: int,
    measured: Sequence[int],
    compare: Callable[[int, int], Versus],
) -> int | None:
    """The index of the choice, or ``None`` if nothing was measured.

    It is the first rival that may be faster than the default, or the second such rival if it is
    faster than the first; otherwise the default.
    """

    def may_gain(index: int) -> bool:
        if index == default or default not in measured:
            return True
        return compare(index, default).word not in _NO_GAIN

    fit = [index for index in rivals if index in measured and may_gain(index)]
    if len(fit) > 1 and compare(fit[1], fit[0]).word == "faster":
        return fit[1]
    return next(iter([*fit, *(index for index in (default,) if index in measured)]), None)


def _why_none(records: Sequence[Sequence[Record]]) -> str:
    reasons = (r.reason for of_cell in records for r in of_cell if r.reason)
    return next(reasons, "the budget was spent before the first round")


def _by_index(looks: SweepLooks, records: Sequence[Sequence[Record]]) -> dict[int, VerdictCell]:
    """The final's cells by index; if one ran in several environments, the first measured one."""
    found: dict[int, VerdictCell] = {}
    for cell in pool_records(record for of_cell in records for record in of_cell):
        for index in looks.indices_of(cell):
            if index not in found or (cell.is_measured and not found[index].is_measured):
                found[index] = cell
    return found


def _judge(
    pairs: Sequence[tuple[VerdictCell, VerdictCell]], looks: SweepLooks, family: int
) -> list[Difference | None]:
    """The difference of each cell from its baseline, at the looks that the final planned."""
    planned = None
    if looks.plan is not None:
        planned = PlannedLooks(looks.plan, family, None, DEFAULT_MARGIN)
    sides = [
        Sides(baseline_s=base.runs, cell_s=cell.runs, planned=planned)
        if cell.runs and base.runs
        else None
        for cell, base in pairs
    ]
    return judge_sides(sides, [0] * len(sides))


def _versus(
    other: Finalist,
    cells: dict[int, VerdictCell],
    choice: int,
    against: int,
    looks: SweepLooks,
    family: int,
    plan: Sequence[PlannedCell],
    records: Sequence[Sequence[Record]],
) -> Versus:
    cell, base = cells[choice], cells[against]
    (difference,) = _judge([(cell, base)], looks, family)
    comparison = _comparison(cell, base, difference)
    shown = show_cells([comparison, _comparison(base, base, None)], looks, plan, records)
    answer = next(each.answer for each in shown if each.compared.comparison is comparison)
    if difference is None:
        reason = base.reason if not base.is_measured else cell.reason
        return Versus(
            against=other.candidate.overrides,
            word=base.status,
            sentence=f"{other.candidate.label} has no times to compare with: {reason}.",
        )
    low, high = difference.interval
    return Versus(
        against=other.candidate.overrides,
        word=answer.word,
        sentence=answer.sentence,
        speedup=difference.speedup,
        low=low,
        high=high,
        rounds=difference.rounds,
    )


def _comparison(cell: VerdictCell, base: VerdictCell, difference: Difference | None) -> Comparison:
    return Comparison(
        cell=cell,
        baseline=None,
        baseline_cell=base,
        reason="",
        difference=difference,
        verdict=None if difference is None else difference.verdict,
    )
