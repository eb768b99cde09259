"""Cells against their baselines: estimate, interval, p-value and verdict of each comparison."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from sd_bench.statistics.intervals import mean_interval
from sd_bench.statistics.significance import RoundKey, SpeedupTest, compare_rounds
from sd_bench.verdicts.baselines import Baseline, BaselineCells, choose_baselines
from sd_bench.verdicts.cells import Cell
from sd_bench.verdicts.judgement import DEFAULT_MARGIN, Verdict, judge_table


def improvement_percent(baseline_s: float, seconds: float) -> float:
    """The published measure, ``(baseline - x) / baseline * 100``: positive is faster."""
    return (baseline_s - seconds) / baseline_s * 100


def speedup(baseline_s: float, seconds: float) -> float:
    """``baseline / x``: above 1 is faster."""
    return baseline_s / seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the rounds of a cell are worth against those of another.

    ``speedup`` and ``improvement_percent`` are the test's own estimate where both sides have two
    rounds or more, else the ratio of the mean seconds, without a ``test``. ``baseline_s`` is the
    baseline's mean seconds over the rounds that were compared, ``rounds`` how many the side with
    more of them has.
    """

    baseline_s: float
    speedup: float
    improvement_percent: float
    rounds: int
    test: SpeedupTest | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the speed-up, NaN without a test."""
        found = self.test
        return (math.exp(found.low), math.exp(found.high)) if found else (math.nan, math.nan)

    @property
    def p(self) -> float:
        """The two-sided p-value, NaN without a test."""
        return self.test.p if self.test else math.nan

    @property
    def pairing(self) -> str:
        """How many of the rounds were compared, where a partner is missing to some."""
        if self.test is None or self.test.method == "welch" or self.test.rounds == self.rounds:
            return ""
        return f"{self.test.rounds} of {self.rounds} rounds paired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A cell and what it is compared with; ``reason`` says why there is no ``baseline_cell``."""

    cell: Cell
    baseline: Baseline | None
    baseline_cell: Cell | None
    reason: str

    @property
    def is_comparison(self) -> bool:
        """Whether there is something to compare: a cell is not compared with itself."""
        return self.baseline_cell is not None and self.baseline_cell is not self.cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A cell against its baseline cell.

    ``reason`` says why there is no baseline cell. There is no ``difference`` without one, or
    where the cell was not measured, and no ``verdict`` without a test.
    """

    cell: Cell
    baseline: Baseline | None
    baseline_cell: Cell | None
    reason: str
    difference: Difference | None
    verdict: Verdict | None

    @property
    def is_settled(self) -> bool:
        """Whether the rounds that there are decide it; a cell that is its baseline is settled."""
        if self.baseline_cell is self.cell:
            return True
        return self.verdict is not None and self.verdict.word in ("faster", "slower", "same")


def compare_cells(
    cells: Sequence[Cell], baseline: str | None = None, margin: float = DEFAULT_MARGIN
) -> list[Comparison]:
    """Each cell against its baseline cell, in the order of the cells.

    ``baseline`` is a name as for `choose_baseline`; without one every machine and workload has its
    usual one. The baseline cell is equal in every other axis and of the same environment; for a
    preset (a bundle of axes) and for ``torch_env`` it is of the same machine and as alike as
    there is one. Verdicts are judged over a machine's cells as one family, with the equivalence
    ``margin`` (0.01 is 1 %). Raises BaselineError if the baseline is unknown.
    """
    pairs = pair_cells(cells, baseline)
    differences = [_difference(pair) for pair in pairs]
    verdicts = judge_differences(differences, [cell.machine for cell in cells], margin)
    return [
        Comparison(
            cell=pair.cell,
            baseline=pair.baseline,
            baseline_cell=pair.baseline_cell,
            reason=pair.reason,
            difference=difference,
            verdict=verdict,
        )
        for pair, difference, verdict in zip(pairs, differences, verdicts, strict=True)
    ]


def pair_cells(cells: Sequence[Cell], baseline: str | None = None) -> list[Pair]:
    """Each cell with its baseline cell, in the order of the cells; nothing is judged yet.

    Needs no rounds: a cell that is only planned has a partner too. Raises BaselineError if the
    baseline is unknown.
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


def compare_runs(baseline: Mapping[RoundKey, float], runs: Mapping[RoundKey, float]) -> Difference:
    """The seconds of a cell's rounds against those of another; neither side is empty."""
    before, after = (mean_interval(list(side.values())).mean for side in (baseline, runs))
    rounds = max(len(baseline), len(runs))
    test = None if baseline is runs else compare_rounds(baseline, runs)
    if test is None:
        return Difference(
            baseline_s=before,
            speedup=speedup(before, after),
            improvement_percent=improvement_percent(before, after),
            rounds=rounds,
        )
    estimate = math.exp(test.log_speedup)
    return Difference(
        baseline_s=test.baseline_s,
        speedup=estimate,
        improvement_percent=improvement_percent(estimate, 1.0),
        rounds=rounds,
        test=test,
    )


def judge_differences(
    differences: Sequence[Difference | None],
    families: Sequence[Hashable],
    margin: float = DEFAULT_MARGIN,
) -> list[Verdict | None]:
    """The verdict of each difference with a test; those of one family are judged as one table."""
    verdicts: list[Verdict | None] = [None] * len(differences)
    tables: dict[Hashable, dict[int, SpeedupTest]] = defaultdict(dict)
    for at, (difference, family) in enumerate(zip(differences, families, strict=True)):
        if difference is not None and difference.test is not None:
            tables[family][at] = difference.test
    for table in tables.values():
        for at, verdict in zip(table, judge_table(list(table.values()), margin), strict=True):
            verdicts[at] = verdict
    return verdicts


def _difference(pair: Pair) -> Difference | None:
    if pair.baseline_cell is None or not pair.cell.is_measured:
        return None
    return compare_runs(pair.baseline_cell.runs, pair.cell.runs)


def _why_none(cells: Sequence[Cell]) -> str:
    measured = any(cell.is_measured for cell in cells)
    return f"no baseline: {'nothing varies' if measured else 'no cell was measured'}"
