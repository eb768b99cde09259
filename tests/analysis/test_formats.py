"""Numbers and tables as text."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from analysis.formats import Page, Table, factor, percent, print_page, seconds, to_markdown

TABLE = Table(
    title="Every cell",
    headings=["batch size", "attention", "improvement", "note"],
    rows=[
        ["1", "math", "baseline", ""],
        ["2", "mem_efficient", "+12.3 %", "unsupported: needs capability 8.0 " * 6 + "end"],
    ],
    numeric=frozenset({"batch size", "improvement"}),
    bold=frozenset({0}),
)
PAGE = Page(title="Summary", tables=[TABLE], notes=["A note: " + "that goes on, " * 30])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (117.94, "117.9"),
        (12.345, "12.35"),
        (1.0, "1.00"),
        (0.12345, "0.123"),
        (0.000123, "1.23e-04"),
        (-0.5, "-0.500"),
        (0.0, "0.000"),
        (math.nan, "-"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.34, "+12.3 %"), (-0.84, "-0.8 %"), (0.04, "0.0 %"), (-0.04, "0.0 %"), (math.nan, "-")],
)
def test_percentages_have_a_sign(value: float, text: str) -> None:
    assert percent(value) == text


def test_factors() -> None:
    assert factor(1.3149) == "1.31x"
    assert factor(math.nan) == "-"


def test_markdown_has_headings_rules_bold_and_notes() -> None:
    lines = to_markdown(PAGE).splitlines()
    assert lines[0] == "# Summary"
    assert lines[2] == "## Every cell"
    assert lines[4] == "| batch size | attention | improvement | note |"
    assert lines[5] == "| --: | :-- | --: | :-- |"
    assert lines[6] == "| **1** | **math** | **baseline** |  |"
    assert lines[7].startswith("| 2 | mem_efficient | +12.3 % | unsupported: needs")
    assert lines[9].startswith("A note: that goes on")


def test_markdown_cannot_be_broken_by_what_is_in_a_cell() -> None:
    text = r"a|b <script> *x* `y` _z_ \ [t](u) keep_this n_iter [s]"
    page = Page(title="t", tables=[Table(title="t", headings=["h"], rows=[[text]])])
    row = to_markdown(page).splitlines()[6]
    expected = r"a\|b \<script> \*x\* \`y\` \_z\_ \\ [t]\(u) keep_this n_iter [s]"
    assert row == f"| {expected} |"


def printed(width: int, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, no_color=True)
    print_page(PAGE, console)
    return stream.getvalue()


def test_without_a_terminal_no_line_is_wrapped_or_cut_off() -> None:
    lines = printed(100_000, terminal=False).splitlines()
    assert lines[0] == "Every cell"
    assert "| mem_efficient |      +12.3 % | unsupported: needs" in lines[5]
    assert lines[5].rstrip(" |").endswith("8.0 end")
    assert lines[-1].count("that goes on") == 30
    assert lines[4].startswith("|      **1** | **math**")


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_terminal_shows_every_character_within_its_width(width: int) -> None:
    text = printed(width, terminal=True)
    plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in text.splitlines()]
    assert all(len(line) <= width for line in plain)
    shown = "".join("".join(plain).split())
    assert shown.count("needs") == 6
    assert shown.count("8.0") == 6
    for word in ("mem_efficient", "improvement", "+12.3%", "baseline", "end"):
        assert word in shown


def test_words_are_not_broken_where_the_terminal_is_wide_enough() -> None:
    text = printed(64, terminal=True)
    for word in ("mem_efficient", "improvement", "baseline", "attention", "unsupported:"):
        assert word in text
