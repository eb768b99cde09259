"""How comparisons were judged, and what was special about their rounds, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from analysis.comparison.rows import JudgedRow, judgement_of
from analysis.comparison.slow_rounds import explain_slow_round
from sd_bench.statistics.estimate import Disturbed
from sd_bench.verdicts.comparisons import Difference
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT

#: A smaller widening of the interval changes no printed digit and is not mentioned.
_LEAST_WIDENING = 1.005

#: Most disturbed rounds that are named; the others are counted.
_MOST_NAMED = 3

_METHODS = {
    "paired": "log ratios round by round",
    "unpaired": "the logarithms of both sides, whose rounds did not run interleaved",
}


def note_verdicts(rows: Sequence[JudgedRow]) -> list[str]:
    """The rule, then a sentence for anything special; nothing without a comparison.

    The rows come from `comparison.deltas`, or from `comparison.two_sweeps` with ``series`` and
    ``baseline`` set.
    """
    judged = [row for row in rows if row.method]
    if not judged:
        return []
    how = " or ".join(_METHODS[method] for method in dict.fromkeys(row.method for row in judged))
    differences = [row.difference for row in judged if row.difference is not None]
    planned = any(each.sides is not None and each.sides.planned for each in differences)
    return [
        f"Verdict from {how}, at 5 % for a whole table{' and all its looks' if planned else ''}: "
        "faster or slower if the interval at that level excludes 1, the same if it lies within "
        f"{100 * judged[0].margin:g} % of equal, else unclear; none with fewer than "
        f"{ROUNDS_FOR_A_VERDICT} rounds.",
        *_note_unplanned(judged),
        *_note_disturbed(judged),
        *_note_doubtful(judged),
        *_note_correlation(judged, differences),
    ]


def _note_unplanned(judged: Sequence[JudgedRow]) -> Iterator[str]:
    """Comparisons of a sweep with planned looks that were not planned for them."""
    for reason, count in Counter(row.unplanned for row in judged).items():
        if reason:
            yield (
                f"{_comparisons(count)} judged by one look, which does not account for the looks "
                f"that ended the sweep: {reason}."
            )


def _note_disturbed(judged: Sequence[JudgedRow]) -> Iterator[str]:
    found = dict.fromkeys(
        _describe(row, disturbed)
        for row in judged
        if (judgement := judgement_of(row)) is not None
        for disturbed in judgement.estimate.disturbed
    )
    if found:
        named = "; ".join(list(found)[:_MOST_NAMED])
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        yield f"Set aside as disturbed where differences were estimated: {named}{more}."


def _describe(row: JudgedRow, disturbed: Disturbed) -> str:
    is_cell = disturbed.side == "cell"
    name = row.series if is_cell else row.baseline
    _, number = disturbed.round
    slower = disturbed.times >= 1
    factor = disturbed.times if slower else 1 / disturbed.times
    as_usual = f"{factor:.1f} times as {'long' if slower else 'short'} as usual"
    why = explain_slow_round(disturbed.round, row["counters" if is_cell else "baseline_counters"])
    details = f"{as_usual}: {why}" if slower and why else as_usual
    return f"round {number} of {name} at batch {row.batch_size} ({details})"


def _note_doubtful(judged: Sequence[JudgedRow]) -> Iterator[str]:
    if count := sum(bool(row.doubtful) for row in judged):
        yield (
            f"{_comparisons(count)} doubtful: the difference depends on a round that was set aside "
            "but would be ordinary if nothing differed, so more rounds are needed."
        )


def _note_correlation(
    judged: Sequence[JudgedRow], differences: Sequence[Difference]
) -> Iterator[str]:
    widened = [row.widening for row in judged if row.widening > _LEAST_WIDENING]
    if widened:
        yield (
            f"{_comparisons(len(widened))} given a wider interval, up to {max(widened):.2f} times, "
            "for rounds that resemble their neighbours."
        )
    for found in dict.fromkeys(each.serial_correlation for each in differences):
        if found is not None and found.flagged:
            power = " and ".join(f"{100 * p:.0f} % at {phi}" for phi, p in found.power.items())
            yield (
                f"Serial correlation of the rounds: {found.phi:.1f}, p = {found.p:.2g}; something "
                f"disturbed several rounds in a row. (This is noticed in {power}.)"
            )


def _comparisons(count: int) -> str:
    return "1 comparison is" if count == 1 else f"{count} comparisons are"
