"""Read and write the looks that a sweep planned, which each of its records stores."""

from __future__ import annotations

from typing import NamedTuple

from sd_bench.records import Looks
from sd_bench.statistics.sequential import LookPlan

#: The name of the rule in records: error spending as in `sd_bench.statistics.sequential`.
RULE = "error spent with the square of the rounds (Lan and DeMets), divided by the family"

#: No sweep plans more looks; a record with more is not believed.
_MOST_LOOKS = 100


class PlannedLooks(NamedTuple):
    """A cell's planned looks, fixed before the first round.

    ``family`` is the number of comparisons in the table, ``baseline`` the baseline as written after
    ``--baseline``, ``margin`` the difference that counts as equal.
    """

    plan: LookPlan
    family: int
    baseline: str | None
    margin: float


def read_looks(looks: Looks | None) -> PlannedLooks | None:
    """The plan that a record stores; ``None`` if it has none, or if its rule is not `RULE`."""
    if looks is None or looks.rule != RULE or len(looks.looks) > _MOST_LOOKS:
        return None
    if looks.family < 0 or not 0 < looks.margin < 1:
        return None
    try:
        plan = LookPlan(looks=tuple(looks.looks), error=looks.error, reserve=looks.reserve)
    except ValueError:
        return None
    return PlannedLooks(plan, looks.family, looks.baseline, looks.margin)


def write_looks(planned: PlannedLooks, asked_by: int) -> Looks:
    """The plan as a record stores it; ``asked_by`` is the look that requested the round."""
    return Looks(
        rule=RULE,
        looks=list(planned.plan.looks),
        error=planned.plan.error,
        reserve=planned.plan.reserve,
        family=planned.family,
        baseline=planned.baseline,
        margin=planned.margin,
        asked_by=asked_by,
    )
