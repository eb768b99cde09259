"""The gate of ``compare OLD NEW --fail-if``: which cells fail it, and which are undecided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.comparison.rows import TwoSweepsRow, judgement_of
from sd_bench.verdicts.judgement import UNDECIDED

#: What ``--fail-if`` can name, and what it means.
FAILURES = {
    "slower": "slower by more than {}",
    "unclear": "without a verdict",
    "ambiguous": "measured in several environments of OLD or of NEW",
    "failed": "measured in OLD and with rounds without times in NEW",
    "missing": "in OLD and not in NEW",
    "different": "with an output that differs by more than its precision explains",
    "unproven": "without a proof of the attention kernels that NEW ran",
}

#: The outcomes of cells without times in OLD, which therefore cannot have become slower.
_NOTHING_BEFORE = ("new", "failed before")


@dataclass(frozen=True, slots=True)
class Condition:
    """A word of `FAILURES`; ``slowdown`` is the share that ``slower`` allows (0.05: 5 %)."""

    word: str
    slowdown: float

    def __str__(self) -> str:
        """A description of the cells that fail."""
        return FAILURES[self.word].format(f"{100 * self.slowdown:g} %")

    def holds(self, row: TwoSweepsRow) -> bool | None:
        """Whether a cell of `two_sweeps.compare_sweeps` fails; ``None`` if undecided.

        The share of tables in which any answer of ``slower`` is wrong is at most 5 %.
        """
        if self.word == "slower":
            return _is_slower(row, self.slowdown)
        if self.word == "unclear":
            return None if row.outcome in (*UNDECIDED, "ambiguous") else False
        if self.word in ("failed", "different", "unproven"):
            return bool(row[self.word])
        return bool(row.outcome == self.word)


def _is_slower(row: TwoSweepsRow, slowdown: float) -> bool | None:
    if row.outcome in _NOTHING_BEFORE:
        return False
    judgement = judgement_of(row)
    return None if judgement is None else judgement.exceeds(slowdown)


@dataclass(frozen=True, slots=True)
class Gate:
    """The cells that fail a condition, and those that may fail but fail no other condition."""

    num_cells: int
    conditions: Sequence[Condition]
    failed: list[TwoSweepsRow]
    undecided: list[TwoSweepsRow]


def judge_gate(rows: Iterable[TwoSweepsRow], conditions: Sequence[Condition]) -> Gate:
    """Check each cell against all conditions."""
    answers = [(row, {condition.holds(row) for condition in conditions}) for row in rows]
    return Gate(
        num_cells=len(answers),
        conditions=conditions,
        failed=[row for row, found in answers if True in found],
        undecided=[row for row, found in answers if None in found and True not in found],
    )
