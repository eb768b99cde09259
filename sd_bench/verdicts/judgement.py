"""Verdicts: whether a cell is faster than its baseline, slower, equally fast, or undecided."""

from __future__ import annotations

from dataclasses import dataclass

from sd_bench.statistics.decision import DEFAULT_MARGIN, Judgement
from sd_bench.statistics.sequential import fewest_rounds

__all__ = [
    "DECIDED", "DEFAULT_MARGIN", "ROUNDS_FOR_A_VERDICT", "UNDECIDED", "Verdict", "give_verdict",
]  # fmt: skip

DECIDED = ("faster", "slower", "same")
UNDECIDED = ("unclear", "too few rounds")

#: With fewer rounds there is no verdict.
ROUNDS_FOR_A_VERDICT = fewest_rounds()

#: More rounds are never recommended.
_MOST_ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict: ``word`` is one of `DECIDED` or `UNDECIDED`.

    An undecided comparison would be decided, with a chance of 80 %, by ``further_rounds`` more
    rounds of its sweep, or by a new sweep of ``new_sweep_rounds`` rounds. They are ``None`` if the
    plan has no such look left, or if 1000 rounds are not enough.
    """

    word: str
    further_rounds: int | None = None
    new_sweep_rounds: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether no further rounds are needed."""
        return self.word in DECIDED

    def __str__(self) -> str:
        """The verdict as shown in a table."""
        if self.word == "unclear":
            return f"unclear ({self.what_decides} would decide)"
        if self.word == "too few rounds":
            return f"too few rounds (needs {ROUNDS_FOR_A_VERDICT})"
        return self.word

    @property
    def what_decides(self) -> str:
        """In words, how many rounds would decide."""
        if self.further_rounds:
            return f"{self.further_rounds} more {'round' if self.further_rounds == 1 else 'rounds'}"
        if self.new_sweep_rounds:
            return f"a new sweep of {self.new_sweep_rounds} rounds"
        return f"not even {_MOST_ROUNDS} rounds"


def give_verdict(judgement: Judgement) -> Verdict:
    """The verdict on a comparison, with "too few rounds" in place of "unclear" where it applies."""
    found = judgement.forecast
    if found is None:
        return Verdict(judgement.word)
    word = "too few rounds" if judgement.too_few_rounds else judgement.word
    return Verdict(word, found.further_rounds, found.new_sweep_rounds)
