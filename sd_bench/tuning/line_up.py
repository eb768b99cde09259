"""Who is in the final, and how many rounds each gets in the time that is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sd_bench.tuning.candidates import Candidate, Candidates
from sd_bench.tuning.rows import Row

#: What people find when they look up how diffusers is made fast.
DOCUMENTED = ("implementation=diffusers_documented",)
#: Rounds of each finalist: as many as fit between these, by the costs that the race has found.
_FEWEST, _MOST = 6, 10
#: Of how many the choice is one.
_RIVALS = 2
#: Estimated costs are taken to be so much larger, and so much is taken for the start of it all.
_CAUTION, _START_S = 1.1, 20.0
#: What compiling with the most tuning takes, as a multiple of what was compiled; and of a start
#: where nothing was.
_AS_COMPILED, _AS_STARTED = 1.3, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A candidate in the final; ``round_s`` is what a round of it is expected to take."""

    candidate: Candidate
    round_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUp:
    """Who is in the final, how many rounds each gets, and who is not, with the reason.

    ``rivals`` are the one or two of which one is the choice, the faster one so far first.
    ``least_s`` is what the fewest rounds of all are expected to take.
    """

    finalists: tuple[Finalist, ...]
    rivals: tuple[int, ...]
    rounds: int
    left_out: dict[tuple[str, ...], str]
    least_s: float


def line_up(
    worth: Sequence[Row], rows: Sequence[Row], candidates: Candidates, left_s: float, spent_s: float
) -> LineUp:
    """Who can have enough rounds for verdicts in ``left_s`` seconds, beside the default.

    ``worth`` are the rows that are worth a final, the fastest first; ``spent_s`` is what the race
    took. Where nothing fits, the fastest and the default are in all the same.
    """
    fixed = candidates.default().config.protocol.rounds
    fewest = fixed or _FEWEST
    default = next(row for row in worth if not row.overrides)
    costs = {default.overrides: default.round_s}
    wanted, left_out = dict(costs), dict[tuple[str, ...], str]()

    def admit(overrides: tuple[str, ...], round_s: float) -> None:
        wanted[overrides] = round_s
        if _cost_s([*costs.values(), round_s], fewest) <= left_s:
            costs[overrides] = round_s
        else:
            all_s = _cost_s(list(wanted.values()), fewest)
            left_out[overrides] = _why_left_out(round_s, fewest, spent_s + all_s)

    others = [row for row in worth if row is not default]
    for row in others:
        if len(costs) <= _RIVALS:
            admit(row.overrides, row.round_s)
    if len(costs) == 1 and others:
        costs[others[0].overrides] = others[0].round_s
        del left_out[others[0].overrides]
    rivals = [overrides for overrides in costs if overrides]
    if worth[0] is default:
        rivals = [default.overrides, *rivals[:1]]
    documented = candidates.make(DOCUMENTED)
    if documented.reason is not None:
        left_out[DOCUMENTED] = documented.reason
    else:
        admit(DOCUMENTED, _expected_documented_s(rows, default))
    listed = list(costs)
    most = fixed or _MOST
    fitting = (n for n in range(most, fewest, -1) if _cost_s(list(costs.values()), n) <= left_s)
    return LineUp(
        finalists=tuple(
            Finalist(candidate=candidates.make(overrides), round_s=round_s)
            for overrides, round_s in costs.items()
        ),
        rivals=tuple(map(listed.index, rivals[:_RIVALS])),
        rounds=next(fitting, fewest),
        left_out=left_out,
        least_s=_cost_s(list(costs.values()), fewest),
    )


def _why_left_out(round_s: float, rounds: int, needed_s: float) -> str:
    return (
        f"{rounds} rounds of it, of about {round_s:.0f} s each, did not fit into the rest of the "
        f"budget; budget={math.ceil(needed_s / 60)}min would probably be enough"
    )


def _cost_s(rounds_s: Sequence[float], rounds: int) -> float:
    return _START_S + _CAUTION * rounds * math.fsum(rounds_s)


def _expected_documented_s(rows: Sequence[Row], default: Row) -> float:
    compiled = [row.ready_s or 0.0 for row in rows if any("compile=" in o for o in row.overrides)]
    timed = [seconds for seconds in compiled if seconds]
    return _AS_COMPILED * max(timed) if timed else _AS_STARTED * (default.ready_s or 0.0)
