"""Repeat all looks of a sweep from its rounds: what was decided, and when.

The launcher calls this at a planned look to find out which cells need no more rounds, the analysis
later to print the verdicts. Both get the same verdicts, because what was decided at a look stays
decided, with the rounds and interval of that look, whatever rounds of other comparisons follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sd_bench.statistics.decision import (
    DEFAULT_MARGIN,
    Judgement,
    TableJudgement,
    judge_table,
    list_plans,
)
from sd_bench.statistics.estimate import Estimate
from sd_bench.statistics.paired import estimate_paired
from sd_bench.statistics.sequential import LookPlan

#: Seconds by round, of a baseline and of a cell.
Sides = tuple[Mapping[Any, float], Mapping[Any, float]]


def follow_looks(
    comparisons: Sequence[Sides],
    plan: LookPlan | Sequence[LookPlan],
    margin: float = DEFAULT_MARGIN,
    family: int | None = None,
) -> TableJudgement:
    """The judgement of each comparison at the look that decided it, or at its last round.

    At a look after n rounds it uses the first n pairs of every comparison, or all if there are
    fewer. ``plan`` is one plan for all comparisons, or one for each. ``family`` is the planned
    number of comparisons, if some are missing. The serial correlation is that of the last look.
    Raises ValueError if there is no comparison, if one has no pair, and if one has more pairs than
    its plan.
    """
    if not comparisons:
        raise ValueError("no comparison")
    plans = list_plans(plan, comparisons)
    pairs = [len(baseline.keys() & cell.keys()) for baseline, cell in comparisons]
    longest = max(pairs)
    looks = {n for each in plans for n in each.all_looks if n < longest}
    decided: dict[int, Judgement] = {}
    for look in sorted({*looks, longest}):
        estimates = [
            decided[at].estimate if at in decided else _first_pairs(sides, look)
            for at, sides in enumerate(comparisons)
        ]
        table = judge_table(estimates, plans, margin, family)
        for at, judgement in enumerate(table.judgements):
            its_look = look >= pairs[at] or look in plans[at].all_looks
            if judgement.decided and its_look:
                decided.setdefault(at, judgement)
    judgements = (decided.get(at, found) for at, found in enumerate(table.judgements))
    return replace(table, judgements=tuple(judgements))


def _first_pairs(sides: Sides, pairs: int) -> Estimate:
    baseline, cell = sides
    first = sorted(baseline.keys() & cell.keys())[:pairs]
    return estimate_paired({key: baseline[key] for key in first}, cell)
