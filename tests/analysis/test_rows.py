"""Rows of tables as types."""

from __future__ import annotations

import gc
import math
import pickle
from pathlib import Path

import pandas as pd
import pytest

from analysis import compare, list_environments, load_records, summarise
from analysis.comparison.rows import DeltaRow, TwoSweepsRow
from analysis.comparison.two_sweeps import compare_sweeps
from analysis.ingest.rows import CellRow, Chosen, EnvironmentRow, RoundRow
from analysis.rows import Row, list_rows, to_frame, uncollected
from sd_bench.verdicts.axes import AXES
from tests.support.records import write_main_sweep


class Small(Row, kw_only=True):
    name: str
    seconds: float = math.nan
    scaled: tuple[str, ...] = ()


def test_rows_come_back_from_their_table() -> None:
    rows = [Small(name="a", seconds=1.0, scaled=("x", "y")), Small(name="b", scaled=())]
    table = to_frame(rows, Small)
    assert [*table.columns] == ["name", "seconds", "scaled"]
    assert table["seconds"].dtype == float
    first, second = list_rows(table, Small)
    assert first == rows[0]
    assert (second.name, second.scaled) == ("b", ())
    assert math.isnan(second.seconds)


def test_a_table_without_rows_has_the_columns() -> None:
    table = to_frame([], Small)
    assert [*table.columns] == ["name", "seconds", "scaled"]
    assert list_rows(table, Small) == []


def test_a_column_that_is_not_a_field_is_ignored_and_a_missing_one_needs_a_default() -> None:
    (row,) = list_rows(pd.DataFrame({"name": ["a"], "other": [1]}), Small)
    assert row.keys() == ("name", "seconds", "scaled")
    with pytest.raises(TypeError, match="name"):
        list_rows(pd.DataFrame({"seconds": [1.0]}), Small)


def test_a_column_that_varies_is_asked_for_by_name() -> None:
    row = Small(name="a", seconds=2.0)
    assert {name: row[name] for name in ("name", "seconds")} == {"name": "a", "seconds": 2.0}
    assert {**row} == {"name": "a", "seconds": 2.0, "scaled": ()}
    with pytest.raises(AttributeError):
        row["nothing"]


def test_every_axis_has_a_column() -> None:
    assert Chosen.__struct_fields__ == ("machine", "env", *AXES)


def test_each_table_has_the_columns_of_its_rows(tmp_path: Path) -> None:
    rounds = load_records(write_main_sweep(tmp_path))
    cells = summarise(rounds)
    tables = {
        RoundRow: rounds,
        EnvironmentRow: list_environments(rounds),
        CellRow: cells,
        DeltaRow: compare(cells),
        TwoSweepsRow: compare_sweeps(cells, cells),
    }
    for kind, table in tables.items():
        assert tuple(table.columns) == kind.__struct_fields__


def test_a_row_that_another_process_sends_is_the_same() -> None:
    row = Small(name="a", scaled=("x",), seconds=2.0)
    assert pickle.loads(pickle.dumps(row)) == row


def test_cycles_are_looked_for_again_once_rows_are_made() -> None:
    @uncollected()
    def fail() -> None:
        with uncollected():
            pass
        assert not gc.isenabled()
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail()
    assert gc.isenabled()
