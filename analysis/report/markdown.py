"""The report as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, takewhile

from analysis.report.contents import (
    MOST_FINDINGS,
    ReportData,
    keep_within,
    list_excluded,
    list_excluded_within,
    name_report,
)
from analysis.tables.markup import table_to_markdown, to_markdown
from analysis.tables.page import Page, Table
from analysis.tables.pages import make_delta_page
from analysis.truncation import cut
from analysis.wording.findings import state_findings

#: Characters of report.md, where GitHub takes 65,536 in a comment, and of its lists.
_LONGEST_MARKDOWN, _LONGEST_NOTES, _LONGEST_FOLD = 58_000, 12_000, 12_000

#: Characters that a table of report.md needs besides its title and rows, at most.
_TITLE_AND_SENTENCE = 100


def write_markdown(data: ReportData) -> str:
    """Findings and differences; what was excluded is counted and named in a fold.

    The tables have the room that all the rest leaves.
    """
    page = make_delta_page(data.deltas, data.environments)
    said = keep_within(
        state_findings(data.deltas, data.by_axis)[:MOST_FINDINGS], _LONGEST_NOTES, "see the tables"
    )
    head = to_markdown(Page(title=cut(name_report(data)), tables=[], notes=said))
    tail = [_paragraphs(keep_within(page.notes, _LONGEST_NOTES, "see delta.md"))]
    if num_excluded := len(list_excluded(data)):
        items = _paragraphs(list_excluded_within(data, _LONGEST_FOLD))
        tail.append(f"<details><summary>{num_excluded} excluded</summary>\n\n{items}\n</details>\n")
    room = _LONGEST_MARKDOWN - len(head) - sum(map(len, tail))
    return "\n".join([head, *_tables_within(page.tables, room), *tail])


def _paragraphs(texts: list[str]) -> str:
    return to_markdown(Page(title="", tables=[], notes=texts)).partition("\n")[2].lstrip()


def _tables_within(tables: list[Table], room: int) -> Iterator[str]:
    """The tables as Markdown with as many rows as there is room for, the first tables first."""
    for at, table in enumerate(tables):
        heading, rule, *rows = table_to_markdown(table).splitlines()
        room -= len(table.title) + len(heading) + len(rule) + _TITLE_AND_SENTENCE
        if room < 0:
            yield f"{len(tables) - at} further tables are not shown: see delta.md.\n"
            return
        ends = list(takewhile(room.__ge__, accumulate(len(row) + 1 for row in rows)))
        room -= max(ends, default=0)
        body = "\n".join([heading, rule, *rows[: len(ends)]])
        yield f"## {table.title}\n\n{body}\n"
        if len(ends) < len(rows):
            yield f"The first {len(ends)} of {len(rows)} rows: delta.md has all.\n"
