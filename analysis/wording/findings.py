"""What the data supports, in sentences: counts of the verdicts, and the answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from analysis.comparison.deltas import compare_by_axis, margin_of
from analysis.comparison.flags import is_trusted
from analysis.comparison.rows import DeltaRow
from analysis.rows import keep_measured, list_rows
from analysis.wording.answers import answer_rows
from sd_bench.verdicts.answers import NO_CLAIM, Answer, list_sentences
from sd_bench.verdicts.axes import AXES, WORKLOAD_AXES

_CELL_KEY = ("env", "cell_hash", *AXES)


def state_findings(
    deltas: pd.DataFrame, by_axis: dict[str, pd.DataFrame] | None = None
) -> list[str]:
    """Counts of the verdicts, the answer of every comparison, and more on the fastest cells.

    If the fastest cell of a machine, workload and batch size has no baseline, ``by_axis`` (from
    `compare_by_axis`, computed here by default) says how it compares on another axis.
    """
    if by_axis is None:
        by_axis = compare_by_axis(deltas, margin_of(deltas))
    answers = answer_rows(deltas)
    return [
        *_count(list_rows(deltas, DeltaRow), answers),
        *list_sentences(answers),
        *_of_the_fastest(deltas, by_axis),
    ]


def _count(rows: Sequence[DeltaRow], answers: Sequence[Answer]) -> Iterator[str]:
    """How many comparisons have each verdict."""
    words = [answer.word for row, answer in zip(rows, answers, strict=True) if row.method]
    if words:
        fell = ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())
        compared = "1 comparison" if len(words) == 1 else f"{len(words)} comparisons"
        yield f"{compared} with a baseline: {fell}."


def _of_the_fastest(deltas: pd.DataFrame, by_axis: dict[str, pd.DataFrame]) -> Iterator[str]:
    """How the fastest cell of each place compares on another axis, if it has no baseline."""
    steps = _steps(by_axis)
    measured = keep_measured(deltas)
    place = ["machine", *WORKLOAD_AXES, "batch_size", "weights"]
    for _, cells in measured.groupby(place, sort=False, dropna=False):
        rows = list_rows(cells, DeltaRow)
        fastest = min(filter(is_trusted, rows), key=lambda row: row.cell_s, default=None)
        if fastest is None or fastest.method or fastest.is_baseline:
            continue
        if found := steps.get(_key(fastest)):
            sentence, _ = max(found, key=lambda step: step[1])
            yield f"{fastest.series} has the shortest runtime there. All else equal: {sentence}"


def _steps(by_axis: dict[str, pd.DataFrame]) -> dict[tuple[Any, ...], list[tuple[str, float]]]:
    """For each cell its answers on single axes that may be claimed, with their speed-ups."""
    steps = defaultdict(list)
    for deltas in by_axis.values():
        for row, answer in zip(list_rows(deltas, DeltaRow), answer_rows(deltas), strict=True):
            if row.method and answer.word != NO_CLAIM:
                steps[_key(row)].append((answer.sentence, row.speedup))
    return steps


def _key(row: DeltaRow) -> tuple[Any, ...]:
    return tuple(row[column] for column in _CELL_KEY)
