"""Tables as a page shows them: a cell names the row, the verdict has a word and a class."""

from __future__ import annotations

import pytest

from analysis.report.table_views import classify, sorted_as_number, view_table
from analysis.tables.page import Table

DIFFERENCES = Table(
    title="against math",
    headings=["cell", "verdict", "speed-up", "what would decide", "note"],
    rows=[
        ["math, batch size 1", "baseline", "1.00x", "", ""],
        ["flash, batch size 1", "unclear", "1.02x", "a new sweep of 187 rounds", "6 of 10 paired"],
        ["auto, batch size 1", "faster", "1.25x", "", ""],
    ],
    numeric=frozenset({"speed-up"}),
    bold=frozenset({2}),
)


def test_what_would_decide_stands_below_the_verdict() -> None:
    view = view_table(DIFFERENCES)
    assert [heading.text for heading in view.headings] == ["cell", "verdict", "speed-up", "note"]
    verdict = view.rows[1].entries[0]
    assert (verdict.text, verdict.detail, verdict.kind) == (
        *("unclear", "a new sweep of 187 rounds would decide"),
        "open",
    )


def test_the_baseline_and_the_fastest_are_distinguished() -> None:
    assert [row.kind for row in view_table(DIFFERENCES).rows] == ["baseline", "", "best"]


def test_several_naming_columns_become_one() -> None:
    table = Table(
        title="Every cell",
        headings=["pixels", "batch size", "attention", "runtime [s]"],
        rows=[["64x64", "4", "flash", "1.49"]],
        numeric=frozenset({"batch size", "runtime [s]"}),
        num_naming=3,
    )
    view = view_table(table)
    assert [heading.text for heading in view.headings] == ["cell", "runtime [s]"]
    assert view.rows[0].name == "flash, pixels 64x64, batch size 4"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *(("faster", "faster"), ("slower", "slower"), ("same", "same"), ("unclear", "open")),
        *(("too few rounds", "open"), ("no claim", "doubted"), ("baseline", "plain")),
        *(("no baseline", "plain"), ("oom", "failed"), ("unsupported", "failed"), ("", "")),
    ],
)
def test_a_word_has_its_class(word: str, kind: str) -> None:
    assert classify(word) == kind


@pytest.mark.parametrize(
    ("texts", "numeric"),
    [
        (["reference", "2.0e-01 ‡", "5.0e-04", "0", "- (no round 0)"], True),
        (["1.29x †", "<1e-4", "+19.2 %"], True),
        (["-", "reference"], False),
        (["", "1 of 3 rounds crashed: signal 9"], False),
        (["math", "flash"], False),
        (["4", "1 of 2"], False),
    ],
)
def test_columns_of_numbers_are_sorted_as_numbers(texts: list[str], numeric: bool) -> None:
    table = Table(title="", headings=["x"], rows=[[text] for text in texts])
    assert sorted_as_number(table, 0) is numeric
