"""Decide who is in the final, and how many rounds fit into the time that is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sd_bench.tuning.candidates import Candidate, Candidates
from sd_bench.tuning.rows import Row

#: diffusers with the settings that its own documentation recommends for speed.
DOCUMENTED = ("implementation=diffusers_documented",)
#: The fewest and most rounds of each finalist; as many as fit, by the times of the race.
_FEWEST, _MOST = 6, 10
#: How many candidates compete to be the choice.
_RIVALS = 2
#: A safety factor on estimated costs, and the seconds allowed for starting the final.
_CAUTION, _START_S = 1.1, 20.0
#: The expected time of compiling with the most tuning, as a multiple of the slowest start that
#: compiled; or, if none did, of the default's start.
_AS_COMPILED, _AS_STARTED = 1.3, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A candidate in the final; ``round_s`` is the expected seconds of one of its rounds."""

    candidate: Candidate
    round_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUp:
    """Who is in the final with how many rounds, and who is ``left_out``, with the reason.

    ``rivals`` are the indices of the one or two that compete to be the choice, the faster in the
    race first. ``least_s`` is the expected seconds of the final with the fewest rounds.
    """

    finalists: tuple[Finalist, ...]
    rivals: tuple[int, ...]
    rounds: int
    left_out: dict[tuple[str, ...], str]
    least_s: float


def line_up(
    worth: Sequence[Row], rows: Sequence[Row], candidates: Candidates, left_s: float, spent_s: float
) -> LineUp:
    """The default, and the candidates that can have enough rounds for verdicts in ``left_s``.

    ``worth`` are the rows that deserve a final, fastest first; ``spent_s`` is the seconds that the
    race took. Even if nothing fits, the fastest and the default are in.
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
