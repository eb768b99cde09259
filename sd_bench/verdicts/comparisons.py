"""Compare cells with their baselines: estimate, interval and verdict of each comparison."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sd_bench.statistics.decision import Interval, Judgement, TableJudgement, judge_table
from sd_bench.statistics.looks import follow_looks
from sd_bench.statistics.runtime import typical_runtimes
from sd_bench.statistics.sequential import LookPlan, plan_fixed
from sd_bench.statistics.serial_correlation import SerialCorrelation
from sd_bench.statistics.unpaired import estimate_unpaired
from sd_bench.verdicts.baselines import Baseline, BaselineCells, choose_baselines, explain_none
from sd_bench.verdicts.cells import Cell
from sd_bench.verdicts.judgement import DEFAULT_MARGIN, Verdict, give_verdict
from sd_bench.verdicts.planned_looks import PlannedLooks
from sd_bench.verdicts.rounds import RoundKey


def improvement_percent(baseline_s: float, seconds: float) -> float:
    """The published measure, ``(baseline - x) / baseline * 100``; positive means faster."""
    return (baseline_s - seconds) / baseline_s * 100


def speedup(baseline_s: float, seconds: float) -> float:
    """``baseline / x``; above 1 means faster."""
    return baseline_s / seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The input of a comparison: seconds by round of two sides, and the looks planned for it.

    Without ``planned`` looks there is one look, at all available rounds. ``unplanned`` is the
    reason if looks were planned but cannot be followed.
    """

    baseline_s: Mapping[RoundKey, float]
    cell_s: Mapping[RoundKey, float]
    planned: PlannedLooks | None = None
    unplanned: str = ""

    @property
    def num_pairs(self) -> int:
        """How many rounds of the two sides form pairs, because they ran interleaved."""
        return len(self.baseline_s.keys() & self.cell_s.keys())

    @property
    def are_paired(self) -> bool:
        """Whether at least half of the rounds of the side with fewer rounds have a partner."""
        return self.num_pairs >= max(1, min(len(self.baseline_s), len(self.cell_s)) / 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Difference:
    """How a cell's rounds compare with those of its baseline.

    All numbers are from one estimate over the same rounds: ``baseline_s`` and ``cell_s`` are
    geometric means in seconds without the rounds that were set aside, ``speedup`` is their ratio.
    ``rounds`` is the number of rounds of the side with more. A cell compared with itself has no
    ``judgement`` and no ``verdict``.
    """

    baseline_s: float
    cell_s: float
    speedup: float
    rounds: int
    judgement: Judgement | None = None
    verdict: Verdict | None = None
    serial_correlation: SerialCorrelation | None = None
    sides: Sides | None = None

    @property
    def improvement_percent(self) -> float:
        """The published measure, from the same estimate."""
        return improvement_percent(self.speedup, 1.0)

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the speed-up; NaN for a cell compared with itself."""
        return self.judgement.interval_95 if self.judgement else Interval(math.nan, math.nan)

    @property
    def pairing(self) -> str:
        """How many of the rounds were paired, in words; empty unless some lack a partner."""
        if self.sides is None or not self.sides.are_paired or self.sides.num_pairs == self.rounds:
            return ""
        return f"{self.sides.num_pairs} of {self.rounds} rounds paired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A cell and its baseline cell; ``reason`` says why there is no ``baseline_cell``."""

    cell: Cell
    baseline: Baseline | None
    baseline_cell: Cell | None
    reason: str

    @property
    def both_cells(self) -> tuple[Cell, ...]:
        """The baseline cell, if there is one, and the cell."""
        return (self.cell,) if self.baseline_cell is None else (self.baseline_cell, self.cell)

    @property
    def is_comparison(self) -> bool:
        """Whether the cell has a baseline cell other than itself."""
        return self.baseline_cell is not None and self.baseline_cell is not self.cell


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison(Pair):
    """A pair of cells with the result of comparing their rounds.

    There is no ``difference`` if there is no baseline cell or the cell was not measured, and no
    ``verdict`` if the cell is its own baseline.
    """

    difference: Difference | None
    verdict: Verdict | None

    @property
    def is_settled(self) -> bool:
        """Whether no further rounds are needed; always true for a cell that is its own baseline."""
        if self.baseline_cell is self.cell:
            return True
        return self.verdict is not None and self.verdict.is_settled


def compare_cells(
    cells: Sequence[Cell], baseline: str | None = None, margin: float | None = None
) -> list[Comparison]:
    """Compare each cell with its baseline cell, in the order of the cells.

    ``baseline`` is a name as for `choose_baseline`; without one, every machine and workload has its
    default baseline. The baseline cell is equal on every other axis and from the same environment.
    For a preset (a bundle of axes) and for ``torch_env`` it is the most similar cell on the same
    machine. All comparisons on a machine are judged as one family, with the equivalence ``margin``
    (0.01 is 1 %; by default the one that the records were planned with, or 1 %).

    A comparison is judged at the looks that its records planned, so that what was decided at one
    of them stays decided. If none were planned, or not for this baseline, there is one look.
    Raises BaselineError if the baseline is unknown.
    """
    pairs = pair_cells(cells, baseline)
    differences = judge_sides(
        [_sides(pair) for pair in pairs],
        [cell.machine for cell in cells],
        find_margin(cells) if margin is None else margin,
    )
    return [
        Comparison(
            cell=pair.cell,
            baseline=pair.baseline,
            baseline_cell=pair.baseline_cell,
            reason=pair.reason,
            difference=difference,
            verdict=None if difference is None else difference.verdict,
        )
        for pair, difference in zip(pairs, differences, strict=True)
    ]


def find_margin(cells: Sequence[Cell]) -> float:
    """The equivalence margin that the rounds were planned with; 1 % if none or several were."""
    margins = {planned.margin for cell in cells for planned in cell.planned.values()}
    return margins.pop() if len(margins) == 1 else DEFAULT_MARGIN


def pair_cells(cells: Sequence[Cell], baseline: str | None = None) -> list[Pair]:
    """Find the baseline cell of each cell, in the order of the cells, without judging anything.

    This also works for cells that are only planned. Raises BaselineError if the baseline is
    unknown.
    """
    found: dict[Cell, tuple[Baseline | None, Cell | str]] = {}
    for part, chosen in choose_baselines(cells, baseline):
        if chosen is None:
            found |= dict.fromkeys(part, (None, _why_none(part)))
        else:
            candidates = BaselineCells(part, chosen)
            found |= {cell: (chosen, candidates.find(cell)) for cell in part}
    return [_pair(cell, *found[cell]) for cell in cells]


def _pair(cell: Cell, baseline: Baseline | None, partner: Cell | str) -> Pair:
    return Pair(
        cell=cell,
        baseline=baseline,
        baseline_cell=None if isinstance(partner, str) else partner,
        reason=partner if isinstance(partner, str) else "",
    )


def judge_sides(
    compared: Sequence[Sides | None], tables: Sequence[Hashable], margin: float = DEFAULT_MARGIN
) -> list[Difference | None]:
    """The result of each comparison; those with the same value in ``tables`` are judged together.

    A table's family is the number of its comparisons, or the planned number if that is larger.
    """
    alone: dict[int, Sides] = {}
    members: dict[Hashable, dict[int, Sides]] = defaultdict(dict)
    for at, (sides, table) in enumerate(zip(compared, tables, strict=True)):
        if sides is not None:
            is_alone = sides.baseline_s is sides.cell_s
            (alone if is_alone else members[table])[at] = sides
    found = dict(zip(alone, _with_themselves(list(alone.values())), strict=True))
    for of_table in members.values():
        found |= zip(of_table, _judge(list(of_table.values()), margin), strict=True)
    return [found.get(at) for at in range(len(compared))]


def _judge(compared: list[Sides], margin: float) -> Iterator[Difference]:
    """Judge one table; serial correlation is found separately for paired and unpaired sides."""
    family = max(len(compared), *(sides.planned.family for sides in compared if sides.planned), 0)
    pairs = [sides for sides in compared if sides.are_paired]
    others = [sides for sides in compared if not sides.are_paired]
    paired = _judge_pairs(pairs, margin, family) if pairs else None
    unpaired = _judge_unpaired(others, margin, family) if others else None
    judgements = {table: iter(table.judgements) for table in (paired, unpaired) if table}
    for sides in compared:
        table = paired if sides.are_paired else unpaired
        assert table is not None
        yield _difference(sides, next(judgements[table]), table.serial_correlation)


def _judge_pairs(compared: Sequence[Sides], margin: float, family: int) -> TableJudgement:
    plans = [
        sides.planned.plan if sides.planned else _one_look(sides.num_pairs) for sides in compared
    ]
    both = [(sides.baseline_s, sides.cell_s) for sides in compared]
    return follow_looks(both, plans, margin, family)


def _judge_unpaired(compared: Sequence[Sides], margin: float, family: int) -> TableJudgement:
    estimates = [estimate_unpaired(sides.baseline_s, sides.cell_s) for sides in compared]
    plans = [_one_look(estimate.rounds) for estimate in estimates]
    return judge_table(estimates, plans, margin, family)


def _one_look(rounds: int) -> LookPlan:
    return plan_fixed(rounds, reserve=0)


def _difference(
    sides: Sides, judgement: Judgement, serial_correlation: SerialCorrelation
) -> Difference:
    estimate = judgement.estimate
    return Difference(
        baseline_s=estimate.baseline_s,
        cell_s=estimate.cell_s,
        speedup=estimate.speedup,
        rounds=max(len(sides.baseline_s), len(sides.cell_s)),
        judgement=judgement,
        verdict=give_verdict(judgement),
        serial_correlation=serial_correlation,
        sides=sides,
    )


def _with_themselves(compared: Sequence[Sides]) -> Iterator[Difference]:
    runtimes = typical_runtimes([list(sides.cell_s.values()) for sides in compared])
    for sides, runtime in zip(compared, runtimes, strict=True):
        yield Difference(
            baseline_s=runtime.seconds,
            cell_s=runtime.seconds,
            speedup=1.0,
            rounds=len(sides.cell_s),
        )


def _sides(pair: Pair) -> Sides | None:
    base, cell = pair.baseline_cell, pair.cell
    if base is None or not cell.is_measured:
        return None
    planned, unplanned = (None, "") if base is cell else _planned(pair, base)
    return Sides(baseline_s=base.runs, cell_s=cell.runs, planned=planned, unplanned=unplanned)


def _planned(pair: Pair, base: Cell) -> tuple[PlannedLooks | None, str]:
    """The looks that were planned for a comparison, or why they cannot be followed."""
    pairs = base.runs.keys() & pair.cell.runs.keys()
    plans = {side: {side.planned.get(key) for key in pairs} for side in (base, pair.cell)}
    alike = {each and each._replace(baseline=None) for each in plans[base] | plans[pair.cell]}
    if alike <= {None}:
        return None, ""
    if len({folder for folder, _ in pairs}) > 1:
        return None, "rounds of several sweeps"
    if len(alike) > 1 or len(plans[pair.cell]) > 1:
        return None, "rounds that were planned differently"
    (planned,) = plans[pair.cell]
    assert planned is not None
    if planned.baseline != str(pair.baseline):
        return None, f"planned against {planned.baseline or 'nothing'}"
    if len(pairs) > planned.plan.all_looks[-1]:
        return None, "more rounds than were planned"
    return planned, ""


def _why_none(cells: Sequence[Cell]) -> str:
    if not any(cell.is_measured for cell in cells):
        return "no baseline: no cell was measured"
    return f"no baseline: {explain_none(cells)}"
