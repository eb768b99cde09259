"""The answers of a table of comparisons: `sd_bench.verdicts.answers` with the facts of its rows."""

from __future__ import annotations

import pandas as pd

from analysis.comparison.parity import to_parity
from analysis.rows import Row, list_rows
from sd_bench.verdicts.answers import Answer, Compared, Facts, answer_all, put_together


def answer_rows(deltas: pd.DataFrame) -> list[Answer]:
    """The answer of each row of a table of `compare`, in its order.

    The table must be whole: a row's baseline is looked for in it.
    """
    return answer_all(compare_rows(deltas))


def compare_rows(deltas: pd.DataFrame) -> list[Compared]:
    """The comparison of each row, with what its sentence needs. The table must be whole."""
    rows = list_rows(deltas)
    comparisons = [row["comparison"] for row in rows]
    facts = {row["comparison"].cell: _facts(row) for row in rows}
    return put_together(comparisons, facts)


def _facts(row: Row) -> Facts:
    return Facts(
        name=str(row["series"]),
        proof=str(row["kernel_proof"]),
        proof_detail=str(row["proof_detail"]),
        parity=to_parity(row),
    )
