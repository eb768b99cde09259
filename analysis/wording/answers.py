"""The answers of a table of comparisons: `sd_bench.verdicts.answers` with the facts of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.comparison.deltas import name_cell
from analysis.comparison.parity import to_parity
from analysis.comparison.rows import DeltaRow
from analysis.once import once
from analysis.rows import list_rows
from sd_bench.verdicts.answers import Answer, Compared, Facts, answer_all, put_together


class AnsweredRow(DeltaRow, kw_only=True):
    """A comparison with its ``answer``; ``baseline_series`` is the name of its baseline."""

    answer: Answer | None = None
    baseline_series: str = ""

    @property
    def word(self) -> str:
        """The word of the answer; empty without one."""
        return "" if self.answer is None else self.answer.word


def answer_table(deltas: pd.DataFrame, rows: Sequence[DeltaRow]) -> pd.DataFrame:
    """The table, of which these are the rows, with the columns of `AnsweredRow`.

    It must be complete: the baseline of each row is looked up in it.
    """
    series = {name_cell(row): row.series for row in rows}
    names = (series.get(row.baseline_cell, "") for row in rows)
    columns: dict[str, list[Any]] = {
        "answer": answer_all(_put_together(rows)) if rows else [],
        "baseline_series": [
            name if name not in ("", row.series) else row.baseline
            for name, row in zip(names, rows, strict=True)
        ],
    }
    return deltas.assign(
        **{name: pd.Series(values, deltas.index, object) for name, values in columns.items()}
    )


@once
def add_answers(deltas: pd.DataFrame) -> pd.DataFrame:
    """`answer_table`, kept as long as the table lives."""
    return answer_table(deltas, list_rows(deltas, DeltaRow))


@once
def answer_rows(deltas: pd.DataFrame) -> list[Answer]:
    """The answer of each row of a table of `compare`, in its order.

    The table must be complete: the baseline of each row is looked up in it.
    """
    return answer_all(compare_rows(deltas))


def compare_rows(deltas: pd.DataFrame) -> list[Compared]:
    """The comparison of each row, with the facts for its sentence. The table must be complete."""
    return _put_together(list_rows(deltas, DeltaRow))


def _put_together(rows: Sequence[DeltaRow]) -> list[Compared]:
    facts = {row.comparison.cell: _facts(row) for row in rows}
    return put_together([row.comparison for row in rows], facts)


def _facts(row: DeltaRow) -> Facts:
    return Facts(
        name=str(row.series),
        proof=str(row.kernel_proof),
        proof_detail=str(row.proof_detail),
        parity=to_parity(row),
    )
