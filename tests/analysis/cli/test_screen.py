"""Pages on a terminal and on other outputs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from analysis.cli.screen import print_page
from analysis.tables.page import Page, Table
from tests.analysis.tables.test_markup import PAGE


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


def test_the_beginning_of_a_long_table_is_shown_with_its_length() -> None:
    rows = [[str(at)] for at in range(1000)]
    page = Page(title="", tables=[Table(title="Long", headings=["number"], rows=rows)])
    stream = io.StringIO()
    print_page(page, Console(file=stream, width=80))
    text = stream.getvalue()
    assert "| 199" in text
    assert "| 200" not in text
    assert "The first 200 of 1000 rows." in text
