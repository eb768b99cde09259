"""The report: one HTML file that needs nothing else, and its short form for pull requests."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.charts.kinds.sheet import FAINT_INK, GRID, INK
from analysis.charts.select.runtimes import Chart
from analysis.formatting import Page, Table
from analysis.tables.markup import table_to_markdown, to_markdown
from analysis.tables.pages import axes_page, delta_page, environment_table, summary_page
from analysis.truncation import LONGEST, cut
from analysis.wording.findings import findings
from sd_bench.records import write_atomically
from sd_bench.verdicts.axes import rows_of

#: Charts beyond this many bytes of SVG are named, not shown: the whole file stays below 5 MB.
_MOST_CHART_BYTES = 2_700_000

#: Rows of all tables together beyond this, or beyond so many characters, are in the CSV only.
_MOST_ROWS, _MOST_TABLE_CHARACTERS = 3500, 1_600_000

#: Findings beyond this are in the tables only.
_MOST_FINDINGS = 30

#: Characters of a chart's alternative text, and of the list of what was excluded.
_LONGEST_ALT, _LONGEST_EXCLUDED = 2000, 60_000

#: Characters of report.md, where GitHub takes 65,536 in a comment, and of its lists.
_LONGEST_MARKDOWN, _LONGEST_NOTES, _LONGEST_FOLD = 58_000, 12_000, 12_000

#: Characters that a table of report.md needs besides its title and rows, at most.
_TITLE_AND_SENTENCE = 100

#: Characters that a cell of a table costs in HTML besides its text.
_CELL_MARKUP = 24

#: The charts' colours that follow the reader's light or dark.
_THEMED = {INK: "--ink", FAINT_INK: "--faint", GRID: "--grid", "#ffffff": "--paper"}

_NUMBER = re.compile(r"[<+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?: ?[%x†‡§~]+)*")
_GROUP_IDS = re.compile(r'<g id="[^"]*"')
_SIZE = re.compile(r'(<svg [^>]*?)width="([\d.]+)pt" height="[\d.]+pt"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """What a report is made of. ``left_out`` has one line a record that could not be read."""

    deltas: pd.DataFrame
    environments: pd.DataFrame
    by_axis: dict[str, pd.DataFrame]
    charts: dict[str, Chart]
    left_out: Sequence[str]
    num_charts_not_drawn: int = 0


@dataclass(frozen=True, slots=True)
class _Figure:
    stem: str
    title: str
    alt: str
    svg: Markup


def write_report(data: ReportData, folder: Path) -> list[Path]:
    """Write ``report.html`` and ``report.md``; the charts' SVG files lie in ``folder`` already.

    Raises OSError.
    """
    texts = {"report.html": _html(data, folder), "report.md": _markdown(data)}
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]


def excluded(data: ReportData) -> list[str]:
    """What is not among the numbers, and why: records, cells, and rounds of cells."""
    lines = [f"Record left out: {cut(reason, 2 * LONGEST)}" for reason in data.left_out]
    for row in rows_of(data.deltas[data.deltas["reason"] != ""]):
        what = "Rounds" if row["status"] == "ok" else "Cell"
        lines.append(
            f"{what} without times: {row['series']} at batch {row['batch_size']} on "
            f"{row['machine']}: {row['reason']}"
        )
    return lines


def _within(lines: Sequence[str], most: int, where: str) -> list[str]:
    """As many of the lines as have room in ``most`` characters, and how many are not shown."""
    ends = accumulate(len(line) for line in lines)
    shown = [line for line, end in zip(lines, ends, strict=True) if end <= most]
    more = len(lines) - len(shown)
    return [*shown, f"{more} further lines are not shown: {where}."] if more else shown


def _excluded_within(data: ReportData, most: int) -> list[str]:
    where = "cells are in summary.csv, records were named when the command ran"
    return _within(excluded(data), most, where)


def _html(data: ReportData, folder: Path) -> str:
    environment = Environment(
        loader=PackageLoader("analysis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["sorted_as_number"] = sorted_as_number
    source = environment.loader
    assert source is not None
    style, script = (
        Markup(source.get_source(environment, name)[0]) for name in ("report.css", "report.js")
    )
    shown, named = _figures(data.charts, folder)
    said = findings(data.deltas, data.by_axis)
    return environment.get_template("report.html.j2").render(
        style=style,
        script=script,
        title=_title(data),
        findings=said[:_MOST_FINDINGS],
        more_findings=len(said) - _MOST_FINDINGS,
        figures=shown,
        named=named,
        num_charts_not_drawn=data.num_charts_not_drawn,
        pages=_shortened(_pages(data)),
        environments=environment_table(data.environments),
        excluded=_excluded_within(data, _LONGEST_EXCLUDED),
    )


def sorted_as_number(table: Table, column: int) -> bool:
    """Whether a column is sorted by its numbers: what is none has to look like none.

    So parity is, which has "reference" among its numbers, and a note is not, which may begin with
    "2 of 6 rounds".
    """
    if table.headings[column] in table.numeric:
        return True
    texts = [row[column] for row in table.rows]
    numbers = [text for text in texts if _NUMBER.fullmatch(text)]
    return bool(numbers) and not any(t[:1].isdigit() for t in texts if not _NUMBER.fullmatch(t))


def _title(data: ReportData) -> str:
    machines = ", ".join(dict.fromkeys(data.deltas["machine"]))
    models = ", ".join(dict.fromkeys(map(str, data.deltas["model_version"])))
    return f"{models} on {machines}"


def _pages(data: ReportData) -> list[Page]:
    """Differences, one axis at a time, every cell; the environments have a section of their own."""
    pages = [delta_page(data.deltas, data.environments)]
    if len(data.by_axis) > 1:
        pages.append(axes_page(data.by_axis))
    pages.append(summary_page(data.deltas, data.environments))
    which_is_which = environment_table(data.environments)
    return [
        Page(
            title=page.title,
            tables=[table for table in page.tables if table != which_is_which],
            notes=page.notes,
        )
        for page in pages
    ]


def _shortened(pages: list[Page]) -> list[Page]:
    """The pages with as many rows as there is room for, and notes on what is missing."""
    rows, room, shortened = _MOST_ROWS, _MOST_TABLE_CHARACTERS, []
    for page in pages:
        tables, notes = [], list(page.notes)
        for table in page.tables:
            costs = (sum(map(len, row)) + _CELL_MARKUP * len(row) for row in table.rows[:rows])
            costs_so_far = list(takewhile(room.__ge__, accumulate(costs)))
            fitting = len(costs_so_far)
            tables.append(dataclasses.replace(table, rows=table.rows[:fitting]))
            if len(table.rows) > fitting:
                notes.append(f"{table.title}: the first {fitting} of {len(table.rows)} rows.")
            rows -= fitting
            room -= max(costs_so_far, default=0)
        shortened.append(Page(title=page.title, tables=tables, notes=notes))
    return shortened


def _figures(charts: dict[str, Chart], folder: Path) -> tuple[list[_Figure], list[str]]:
    """The charts that fit into the file, and the names of the others."""
    shown: list[_Figure] = []
    named: list[str] = []
    room = _MOST_CHART_BYTES
    for stem, chart in charts.items():
        svg = inline_svg((folder / f"{stem}.svg").read_text(encoding="utf-8"), stem)
        if len(svg) <= room:
            room -= len(svg)
            shown.append(_Figure(stem, chart.title, _short_alt(chart.alt()), Markup(svg)))
        else:
            named.append(f"{stem}.svg")
    return shown, named


def _short_alt(text: str) -> str:
    """A chart's alternative text as long as somebody can listen to; the tables have it all."""
    if len(text) <= _LONGEST_ALT:
        return text
    ends = accumulate(len(part) + 1 for part in text.split(" "))
    begin = text[: max(takewhile(_LONGEST_ALT.__ge__, ends), default=_LONGEST_ALT)].rstrip(" ,;")
    more = len(re.findall("[,;] ", text[len(begin) :]))
    return f"{begin}; {more} further entries are in the tables."


def inline_svg(text: str, stem: str) -> str:
    """An SVG file as a part of a page: colours follow the theme, ids stay unique."""
    svg = text[text.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _GROUP_IDS.sub("<g", svg)
    svg = _SIZE.sub(rf'\1style="--width: \2pt" aria-hidden="true" data-stem="{stem}"', svg)
    for colour, variable in _THEMED.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg


def _markdown(data: ReportData) -> str:
    """Findings and differences; what was excluded is counted and named in a fold.

    The tables have the room that all the rest leaves.
    """
    page = delta_page(data.deltas, data.environments)
    said = _within(
        findings(data.deltas, data.by_axis)[:_MOST_FINDINGS], _LONGEST_NOTES, "see the tables"
    )
    head = to_markdown(Page(title=cut(_title(data)), tables=[], notes=said))
    tail = [_paragraphs(_within(page.notes, _LONGEST_NOTES, "see delta.md"))]
    if num_excluded := len(excluded(data)):
        items = _paragraphs(_excluded_within(data, _LONGEST_FOLD))
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
