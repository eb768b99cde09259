"""Verdicts: whether a cell is faster, slower or the same as its baseline, or what would decide."""

from __future__ import annotations

from dataclasses import dataclass

from sd_bench.statistics.decision import DEFAULT_MARGIN, Judgement
from sd_bench.statistics.sequential import fewest_rounds

__all__ = [
    "DECIDED", "DEFAULT_MARGIN", "ROUNDS_FOR_A_VERDICT", "UNDECIDED", "Verdict", "give_verdict",
]  # fmt: skip

DECIDED = ("faster", "slower", "same")
UNDECIDED = ("unclear", "too few rounds")

#: Fewer rounds get no verdict.
ROUNDS_FOR_A_VERDICT = fewest_rounds()

#: The most rounds that are recommended.
_MOST_ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """``word`` is one of `DECIDED` or `UNDECIDED`.

    What is not decided would be, with a chance of 80 %, by ``further_rounds`` of its sweep, or by
    a new sweep of ``new_sweep_rounds``; ``None`` where the plan has no such look left, or where
    1000 rounds are not enough.
    """

    word: str
    further_rounds: int | None = None
    new_sweep_rounds: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it needs no further rounds."""
        return self.word in DECIDED

    def __str__(self) -> str:
        """As it stands in a table."""
        if self.word == "unclear":
            return f"unclear ({self.what_decides} would decide)"
        if self.word == "too few rounds":
            return f"too few rounds (needs {ROUNDS_FOR_A_VERDICT})"
        return self.word

    @property
    def what_decides(self) -> str:
        """How many rounds would, in words."""
        if self.further_rounds:
            return f"{self.further_rounds} more {'round' if self.further_rounds == 1 else 'rounds'}"
        if self.new_sweep_rounds:
            return f"a new sweep of {self.new_sweep_rounds} rounds"
        return f"not even {_MOST_ROUNDS} rounds"


def give_verdict(judgement: Judgement) -> Verdict:
    """The verdict of a comparison: too few rounds are told from a spread that is too wide."""
    found = judgement.forecast
    if found is None:
        return Verdict(judgement.word)
    word = "too few rounds" if judgement.too_few_rounds else judgement.word
    return Verdict(word, found.further_rounds, found.new_sweep_rounds)
