"""Pages as Markdown and HTML."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from analysis.tables.files import harmless
from analysis.tables.markup import to_html, to_markdown
from analysis.tables.page import Page, Table

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


@pytest.mark.parametrize(
    "text", ["# a heading", "> a quotation", "- an item", "+ an item", "1. an item", "===", "---"]
)
def test_a_note_is_never_taken_for_a_block_of_markdown(text: str) -> None:
    page = Page(title="t", tables=[], notes=[text])
    (line,) = to_markdown(page).splitlines()[2:]
    assert line.replace("\\", "") == text
    assert not re.match(r"(#+|>|[-+]|\d+[.)])\s|[-=]+$", line)


def test_signs_of_entities_and_of_struck_text_show_as_they_are() -> None:
    page = Page(title="&lt;b&gt; ~~x~~ a & b", tables=[])
    assert to_markdown(page) == "# \\&lt;b\\&gt; \\~\\~x\\~\\~ a & b\n"


@pytest.mark.parametrize(
    "begin", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "x;=1", "x; -1", "\uff1d1"]
)
def test_no_text_of_a_csv_is_a_formula(begin: str) -> None:
    text = harmless(begin)
    cells = [text, *text.split(";")]
    assert not any(cell.strip().startswith(tuple("=+-@\uff1d")) for cell in cells)
    assert text.replace("'", "") == begin


def test_a_prompt_is_left_as_it_is_in_a_csv() -> None:
    text = "A photo, of a cat - at night; 1+1=2"
    assert harmless(text) == text


NASTY = r"a_b & 50 % <i>x</i> {y} #1 $z$ \ ~^|†"


def with_nasty_cells() -> Page:
    rows = [[NASTY] * len(TABLE.headings)]
    return Page(title=NASTY, tables=[dataclasses.replace(TABLE, rows=rows, bold=frozenset())])


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_shows_every_cell_as_it_is() -> None:
    found = Cells()
    found.feed(to_html(with_nasty_cells()))
    assert found.texts.count(NASTY) == len(TABLE.headings) + 2
    assert "i" not in found.tags
    assert found.tags.count("th") == len(TABLE.headings)
