"""The result of a gate in one line."""

from __future__ import annotations

import math

from analysis.comparison.gate import Gate
from analysis.comparison.rows import TwoSweepsRow, judgement_of
from analysis.formatting import interval
from sd_bench.verdicts.proofs import UNPROVEN

#: Most cells that are named; the table has the others.
_MOST_NAMED = 3

#: From this ratio on, a longer time is shown as a factor.
_LEAST_FACTOR = 2


def say_failed(gate: Gate) -> str:
    """How many cells fail, and which."""
    meant = " or ".join(str(condition) for condition in gate.conditions)
    return f"{len(gate.failed)} of {gate.num_cells} cells are {meant}: {_names(gate.failed)}"


def say_undecided(gate: Gate) -> str:
    """Which cells may fail, and how many rounds would decide it."""
    asked = [c for c in gate.conditions if c.word in ("slower", "unclear")]
    meant = " or ".join(str(condition) for condition in asked)
    return (
        f"undecided whether {len(gate.undecided)} of {gate.num_cells} cells are {meant}: "
        f"{_names(gate.undecided)}{_what_decides(gate)}"
    )


def _names(rows: list[TwoSweepsRow]) -> str:
    named = ", ".join(_name(row) for row in rows[:_MOST_NAMED])
    more = len(rows) - _MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _name(row: TwoSweepsRow) -> str:
    least, most = (1 / row[bound] for bound in ("adjusted_high", "adjusted_low"))
    why = str(row.outcome)
    if least >= _LEAST_FACTOR:
        why += f", takes {interval(least, most)} times as long"
    elif not math.isnan(least):
        why += f", takes {interval(100 * (least - 1), 100 * (most - 1), ' %')} longer"
    if row.new_proof == UNPROVEN:
        why += f", {row.new_proof_said}"
    return f"{row.series} at batch {row.batch_size} on {row.gpu} ({why})"


def _what_decides(gate: Gate) -> str:
    """How many rounds of both sweeps would decide it; empty if unknown."""
    slowdowns = [c.slowdown for c in gate.conditions if c.word == "slower"]
    needed = [
        judgement.forecast_excess(slowdown).new_sweep_rounds
        for row in gate.undecided
        if (judgement := judgement_of(row)) is not None
        for slowdown in slowdowns
    ]
    known = [rounds for rounds in needed if rounds is not None]
    return f"; {max(known)} rounds in both sweeps would probably decide it" if known else ""
