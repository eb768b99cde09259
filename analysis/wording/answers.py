"""The answers of a table of comparisons: `sd_bench.verdicts.answers` with the names of its rows."""

from __future__ import annotations

import pandas as pd

from analysis.comparison.parity import to_parity
from analysis.rows import Row, list_rows
from analysis.wording.cell_names import name_workload
from sd_bench.verdicts.answers import Answer, Compared, answer_all
from sd_bench.verdicts.axes import WORKLOAD_AXES


def answer_rows(deltas: pd.DataFrame) -> list[Answer]:
    """The answer of each row of a table of `compare`, in its order.

    The table must be whole: a row's baseline is looked for in it.
    """
    rows = list_rows(deltas)
    row_of = {row["comparison"].cell: row for row in rows}
    several = {
        axis for axis in ("machine", *WORKLOAD_AXES) if deltas[axis].nunique(dropna=False) > 1
    }
    return answer_all([_compared(row, row_of, several) for row in rows])


def _compared(row: Row, row_of: dict[object, Row], several: set[str]) -> Compared:
    baseline = row_of.get(row["comparison"].baseline_cell)
    named = "" if baseline is None else str(baseline["series"])
    return Compared(
        comparison=row["comparison"],
        name=str(row["series"]),
        baseline_name=str(row["baseline"]) if named in ("", row["series"]) else named,
        place=_place(row, several),
        proof=str(row["kernel_proof"]),
        baseline_proof=str(row["baseline_proof"]),
        parity=to_parity(row),
    )


def _place(row: Row, several: set[str]) -> str:
    """Where a row stands; what all rows share is not said."""
    place = f"at batch size {row['batch_size']}"
    if "machine" in several:
        place += f" on {row['machine']}"
    work = [words for axis, words in name_workload(row).items() if axis in several]
    return f"{place} ({', '.join(work)})" if work else place
