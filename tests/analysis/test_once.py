"""What is computed from a table is computed once, as long as the table exists."""

from __future__ import annotations

import gc

import pandas as pd

from analysis.once import once


def test_a_result_is_kept_as_long_as_its_table_lives() -> None:
    asked: list[int] = []

    @once
    def length(table: pd.DataFrame) -> int:
        asked.append(len(table))
        return len(table)

    table = pd.DataFrame({"a": [1, 2]})
    assert (length(table), length(table)) == (2, 2)
    assert asked == [2]
    assert length(table.copy()) == 2
    assert asked == [2, 2]
    for rows in range(20):  # a new table may reuse the id of a deleted one
        gc.collect(0)
        assert length(pd.DataFrame({"a": range(rows)})) == rows
