"""The answers of a table of comparisons: `sd_bench.verdicts.answers` with the facts of its rows."""

from __future__ import annotations

import pandas as pd

from analysis.comparison.deltas import name_cell
from analysis.comparison.parity import to_parity
from analysis.comparison.rows import DeltaRow
from analysis.once import once
from analysis.rows import list_rows, make_rows, to_frame
from sd_bench.verdicts.answers import Answer, Compared, Facts, answer_all, put_together


class AnsweredRow(DeltaRow, kw_only=True):
    """A comparison with its ``answer``; ``baseline_series`` is what people call its baseline."""

    answer: Answer | None = None
    baseline_series: str = ""

    @property
    def word(self) -> str:
        """That of the answer."""
        return "" if self.answer is None else self.answer.word


@once
def add_answers(deltas: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns of `AnsweredRow`.

    It must be whole: a row's baseline is looked for in it.
    """
    rows = make_rows(deltas, AnsweredRow)
    series = {name_cell(row): row.series for row in rows}
    for row, answer in zip(rows, answer_rows(deltas) if rows else [], strict=True):
        name = series.get(row.baseline_cell, "")
        row.baseline_series = name if name not in ("", row.series) else row.baseline
        row.answer = answer
    return to_frame(rows, AnsweredRow).set_index(deltas.index)


@once
def answer_rows(deltas: pd.DataFrame) -> list[Answer]:
    """The answer of each row of a table of `compare`, in its order.

    The table must be whole: a row's baseline is looked for in it.
    """
    return answer_all(compare_rows(deltas))


@once
def compare_rows(deltas: pd.DataFrame) -> list[Compared]:
    """The comparison of each row, with what its sentence needs. The table must be whole."""
    rows = list_rows(deltas, DeltaRow)
    comparisons = [row.comparison for row in rows]
    facts = {row.comparison.cell: _facts(row) for row in rows}
    return put_together(comparisons, facts)


def _facts(row: DeltaRow) -> Facts:
    return Facts(
        name=str(row.series),
        proof=str(row.kernel_proof),
        proof_detail=str(row.proof_detail),
        parity=to_parity(row),
    )
