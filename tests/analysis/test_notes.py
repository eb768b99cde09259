"""Sentences below tables and charts."""

from __future__ import annotations

import pandas as pd

from analysis.notes import scaled_note, sweep_names


def cells(*rows: tuple[str, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["machine", "scaled"], dtype=object)


def test_each_statement_is_said_once() -> None:
    table = cells(("cpu", ("4 steps.", "bf16")), ("cpu", ("bf16", "4 steps")))
    assert scaled_note(table) == ["Scaled down: 4 steps; bf16."]


def test_what_is_not_scaled_is_not_mentioned() -> None:
    assert scaled_note(cells(("cpu", ()))) == []


def test_machines_are_named_where_there_are_several() -> None:
    table = cells(("cpu", ("bf16", "4 steps")), ("mini", ("4 steps",)), ("h100", ()))
    assert scaled_note(table) == [
        "Scaled down on cpu: bf16.",
        "Scaled down on cpu, mini: 4 steps.",
    ]


def test_many_sweeps_are_counted() -> None:
    assert sweep_names(["a", "b", "c"]) == "a, b, c"
    assert sweep_names(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
