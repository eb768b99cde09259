"""Answers: one sentence for each comparison, the same on every screen and in every report.

A difference is claimed only if there is a verdict, the kernels of both sides are proven and both
draw the same picture. If one of these is missing, the sentence says so and names no speed-up. A
side that names no kernel, and whose kernels cannot be seen, does not prevent a claim, but the
sentence then ends with a remark.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sd_bench.statistics.digits import format_factor, format_factors
from sd_bench.verdicts.axes import WORKLOAD_AXES
from sd_bench.verdicts.cells import Cell
from sd_bench.verdicts.comparisons import Comparison, Difference
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT, Verdict
from sd_bench.verdicts.names import name_place
from sd_bench.verdicts.parity import NO_REFERENCE, Parity
from sd_bench.verdicts.proofs import ALLOW_A_CLAIM, NO_PROOF, PROVEN, UNPROVEN

#: The words of an answer that are neither verdicts nor statuses.
NO_CLAIM, NO_BASELINE, IS_BASELINE = "no claim", "no baseline", "baseline"

#: What happened to a cell without times, by its status.
_WITHOUT_TIMES = {
    "unsupported": "cannot run here",
    "oom": "ran out of memory",
    "timeout": "took too long and was stopped",
    "crashed": "crashed",
    "failed": "failed",
    "invalid": "gave no usable times",
}

#: How a reason begins if a whole table has nothing to compare, and if a baseline failed.
_OF_THE_TABLE, _OF_THE_BASELINE = "no baseline: ", "baseline "


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A comparison with the facts that its sentence needs.

    ``name`` and ``baseline_name`` are the names of the two cells ("flash", "math (fp32 inside)"),
    ``place`` is what both have in common ("at batch size 4", or empty). The proofs are words of
    `sd_bench.verdicts.proofs`, and their details are those of the rounds' proofs.
    """

    comparison: Comparison
    name: str
    baseline_name: str = ""
    place: str = ""
    proof: str = PROVEN
    baseline_proof: str = PROVEN
    proof_detail: str = ""
    baseline_proof_detail: str = ""
    parity: Parity = NO_REFERENCE

    @property
    def subject(self) -> str:
        """The cell's name and its place."""
        return f"{self.name} {self.place}".rstrip()

    @property
    def both(self) -> str:
        """The names of the cell and its baseline, and their place."""
        return f"{self.name} against {self.baseline_name} {self.place}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts about a cell that its answer needs; ``parity`` is relative to its baseline."""

    name: str
    proof: str
    parity: Parity
    proof_detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a comparison in one ``sentence``, which is empty for a measured baseline.

    ``word`` is that of the verdict (faster, slower, same, unclear, too few rounds), `NO_CLAIM` if
    times were compared but no claim is allowed, `NO_BASELINE`, `IS_BASELINE`, or the status of a
    cell without times (failed, unsupported, oom, ...).
    """

    sentence: str
    word: str

    @property
    def claims_difference(self) -> bool:
        """Whether the answer says that one side is faster than the other."""
        return self.word in ("faster", "slower")


def put_together(comparisons: Sequence[Comparison], facts: Mapping[Cell, Facts]) -> list[Compared]:
    """Combine the comparisons of a table with the ``facts`` of its cells, including baselines."""
    cells = [comparison.cell for comparison in comparisons]
    varying = {
        axis for axis in ("machine", *WORKLOAD_AXES) if len({cell[axis] for cell in cells}) > 1
    }
    return [_put_together(comparison, facts, varying) for comparison in comparisons]


def _put_together(
    comparison: Comparison, facts: Mapping[Cell, Facts], varying: set[str]
) -> Compared:
    of_cell, base = facts[comparison.cell], comparison.baseline_cell
    of_baseline = None if base is None else facts.get(base)
    if of_baseline is None or of_baseline.name == of_cell.name:
        baseline_name = str(comparison.baseline or "")
    else:
        baseline_name = of_baseline.name
    return Compared(
        comparison=comparison,
        name=of_cell.name,
        baseline_name=baseline_name,
        place=name_place(comparison.cell, varying),
        proof=of_cell.proof,
        baseline_proof=NO_PROOF if of_baseline is None else of_baseline.proof,
        proof_detail=of_cell.proof_detail,
        baseline_proof_detail="" if of_baseline is None else of_baseline.proof_detail,
        parity=of_cell.parity,
    )


def answer_all(table: Sequence[Compared]) -> list[Answer]:
    """The answer to each comparison of a table, in order.

    A cell that has no times in any place, for the same reason, gets one sentence without a place.
    """
    places: dict[str, set[str]] = defaultdict(set)
    without: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for compared in table:
        places[compared.name].add(compared.place)
        without[_failure(compared)].add(compared.place)
    return [
        _answer(compared, everywhere=without[_failure(compared)] == places[compared.name])
        for compared in table
    ]


def list_sentences(answers: Iterable[Answer]) -> list[str]:
    """The sentences to print, each once, in order."""
    return list(dict.fromkeys(answer.sentence for answer in answers if answer.sentence))


def _failure(compared: Compared) -> tuple[str, str, str]:
    cell = compared.comparison.cell
    return compared.name, cell.status, cell.reason


def _answer(compared: Compared, everywhere: bool) -> Answer:
    comparison = compared.comparison
    difference, verdict = comparison.difference, comparison.verdict
    if not comparison.cell.is_measured:
        return _without_times(compared, everywhere)
    if comparison.baseline_cell is comparison.cell:
        return Answer(word=IS_BASELINE, sentence="")
    if difference is None or verdict is None:
        return Answer(word=NO_BASELINE, sentence=_without_baseline(compared))
    if missing := list(_missing(compared)):
        why = ", and ".join(missing)
        return Answer(word=NO_CLAIM, sentence=f"No claim on {compared.both}: {why}.")
    if verdict.is_settled:
        return Answer(word=verdict.word, sentence=_decided(compared, difference, verdict))
    return Answer(word=verdict.word, sentence=_undecided(compared, difference, verdict))


def _without_times(compared: Compared, everywhere: bool) -> Answer:
    cell = compared.comparison.cell
    what = _WITHOUT_TIMES.get(cell.status, cell.status)
    reason = cell.reason.removeprefix(f"{cell.status}: ").rstrip(" .")
    subject = compared.name if everywhere else compared.subject
    sentence = f"{subject} {what}: {reason}." if reason else f"{subject} {what}."
    return Answer(word=cell.status, sentence=sentence)


def _without_baseline(compared: Compared) -> str:
    reason = compared.comparison.reason
    if reason.startswith(_OF_THE_TABLE):
        return f"Nothing to compare: {reason[len(_OF_THE_TABLE) :]}."
    if reason.startswith(_OF_THE_BASELINE):
        why = reason[len(_OF_THE_BASELINE) :].rstrip(" .")
        return f"No verdict on {compared.subject}: its baseline has no times ({why})."
    return f"Nothing to compare {compared.subject} with: {reason}."


def _missing(compared: Compared) -> Iterator[str]:
    """The reasons that prevent a claim."""
    parity = compared.parity
    if parity.ok is False:
        yield f"they draw different pictures ({_how_different(parity)})"
    elif parity.ok is None:
        yield f"whether they draw the same picture is not known ({parity.reason})"
    sides = {compared.name: compared.proof, compared.baseline_name: compared.baseline_proof}
    if missed := [name for name, proof in sides.items() if proof not in ALLOW_A_CLAIM]:
        yield f"the attention kernels of {' and '.join(missed)} are not proven"


def _how_different(parity: Parity) -> str:
    allowed = f"at most {_distance(parity.allowed)} allowed"
    if parity.distance > parity.allowed:
        far = f"distance {_distance(parity.distance)}, {allowed}"
        return f"{far}; {parity.where}" if parity.where else far
    return f"{parity.where}, {allowed}"


def _remark(compared: Compared) -> str:
    """A remark on a claim: whose kernels cannot be seen, and why; empty if all can."""
    sides = (
        (compared.name, compared.proof, compared.proof_detail),
        (compared.baseline_name, compared.baseline_proof, compared.baseline_proof_detail),
    )
    unseen = [
        f"{name} ({reason.rstrip(' .')})" if reason else name
        for name, proof, reason in sides
        if proof == UNPROVEN
    ]
    if not unseen:
        return ""
    return f"; unproven: the attention kernels of {' and '.join(unseen)} cannot be seen"


def _decided(compared: Compared, difference: Difference, verdict: Verdict) -> str:
    low, high = difference.interval
    place = f" {compared.place}" if compared.place else ""
    if verdict.word == "same":
        assert difference.judgement is not None
        claim = (
            f"{compared.name} and {compared.baseline_name} are equally fast{place}, within "
            f"{100 * difference.judgement.margin:g} % ({format_factors(low, high)})"
        )
    elif verdict.word == "faster":
        times = format_factor(difference.speedup, low, high)
        claim = (
            f"{compared.name} is {times} times as fast as {compared.baseline_name}{place}, "
            f"{format_factors(low, high)}"
        )
    else:
        times = format_factor(1 / difference.speedup, 1 / high, 1 / low)
        claim = (
            f"{compared.name} takes {times} times as long as {compared.baseline_name}{place}, "
            f"{format_factors(1 / high, 1 / low)}"
        )
    paired = f" ({difference.pairing})" if difference.pairing else ""
    picture = f"same picture within {_distance(compared.parity.allowed)}"
    return f"{claim}{paired}; {picture}{_remark(compared)}."


def _undecided(compared: Compared, difference: Difference, verdict: Verdict) -> str:
    low, high = difference.interval
    if math.isnan(low):
        estimate = f"{format_factor(difference.speedup)} times as fast"
    else:
        ends = format_factors(low, high).replace(" to ", " and ")
        estimate = f"between {ends} times as fast"
    return (
        f"No verdict on {compared.both}: {estimate} after {_rounds(difference)}; "
        f"{_what_decides(verdict)}{_remark(compared)}."
    )


def _rounds(difference: Difference) -> str:
    if difference.pairing:
        return difference.pairing
    rounds = difference.rounds
    return f"{rounds} round" if rounds == 1 else f"{rounds} rounds"


def _what_decides(verdict: Verdict) -> str:
    if verdict.word == "too few rounds":
        return f"a verdict needs at least {ROUNDS_FOR_A_VERDICT} rounds"
    if verdict.further_rounds or verdict.new_sweep_rounds:
        return f"{verdict.what_decides} would probably decide"
    return f"{verdict.what_decides} would decide"


def _distance(value: float) -> str:
    """``0.31``, but ``5e-2`` below a tenth, like tolerances."""
    if value == 0 or value >= 0.1:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
