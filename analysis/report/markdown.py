"""The report as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile

from analysis.report.contents import (
    ReportData,
    keep_within,
    list_excluded,
    list_excluded_within,
)
from analysis.report.outline import Outline
from analysis.tables.markup import escape_markdown, escape_paragraph, table_to_markdown
from analysis.tables.page import Page
from analysis.truncation import cut
from analysis.wording.shared_facts import Fact
from sd_bench.verdicts.answers import Answer

#: Characters of report.md, where GitHub takes 65,536 in a comment, and of its lists.
_LONGEST_MARKDOWN, _LONGEST_LIST, _LONGEST_FOLD = 58_000, 8_000, 12_000

#: Characters that a table of report.md needs besides its title and rows, at most.
_TITLE_AND_SENTENCE = 100


def write_markdown(data: ReportData, outline: Outline) -> str:
    """Answers, shared facts, the machines side by side, differences, how to read them.

    What was excluded is folded.

    The tables get the room that the rest leaves.
    """
    head = [
        f"# {escape_markdown(cut(outline.title))}",
        _items([_answer(answer) for answer in outline.answers], "see the tables"),
        _items(
            [f"**{_fact(fact).replace(': ', ':** ', 1)}" for fact in outline.shared],
            "see summary.csv",
        ),
    ]
    notes = [*map(_fact, outline.reading), *map(escape_paragraph, outline.remarks)]
    tail = ["## How to read this", _items(notes, "see report.html")] if notes else []
    if num_excluded := len(list_excluded(data)):
        listed = map(escape_paragraph, list_excluded_within(data, _LONGEST_FOLD))
        lines = "\n\n".join(listed)
        tail.append(f"<details><summary>{num_excluded} excluded</summary>\n\n{lines}\n\n</details>")
    room = _LONGEST_MARKDOWN - sum(len(block) + 2 for block in (*head, *tail))
    across = [] if outline.across is None else [*_across(outline.across, room // 2)]
    room -= sum(len(block) + 2 for block in across)
    return "\n\n".join([*head, *across, *_blocks(outline.differences, room), *tail]) + "\n"


def _answer(answer: Answer) -> str:
    if not answer.word:
        return escape_paragraph(answer.sentence)
    return f"**{escape_markdown(answer.word)}**: {escape_markdown(answer.sentence)}"


def _fact(fact: Fact) -> str:
    return f"{escape_paragraph(fact.term)}: {escape_markdown(fact.text)}"


def _items(texts: Sequence[str], where: str) -> str:
    return "\n".join(f"- {text}" for text in keep_within(texts, _LONGEST_LIST, where))


def _across(page: Page, room: int) -> Iterator[str]:
    """The page across machines: the table with its answer, and its notes."""
    sentences = [escape_paragraph(text) for text in (page.answer, *page.notes) if text]
    title, *table = _blocks(page, room - sum(len(text) + 2 for text in sentences), "machines.md")
    yield title
    yield from sentences[: bool(page.answer)]
    yield from table
    yield from sentences[bool(page.answer) :]


def _blocks(page: Page, room: int, where: str = "delta.md") -> Iterator[str]:
    """The tables as Markdown with as many rows as there is room for, the first tables first.

    ``where`` is the file that has all of them.
    """
    for at, table in enumerate(page.tables):
        heading, rule, *rows = table_to_markdown(table).splitlines()
        title = escape_markdown(table.title)
        room -= len(title) + len(heading) + len(rule) + _TITLE_AND_SENTENCE
        if room < 0:
            yield f"{len(page.tables) - at} further tables are not shown: see {where}."
            return
        ends = list(takewhile(room.__ge__, accumulate(len(row) + 1 for row in rows)))
        room -= max(ends, default=0)
        yield f"## {title}"
        yield "\n".join([heading, rule, *rows[: len(ends)]])
        if len(ends) < len(rows):
            yield f"The first {len(ends)} of {len(rows)} rows: {where} has all."
