"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from itertools import accumulate, takewhile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.charts.colours import FAINT_INK, GRID, INK, PAPER
from analysis.charts.kinds.base import Chart
from analysis.report.contents import MOST_FINDINGS, ReportData, list_excluded_within, name_report
from analysis.tables.page import Page, Table
from analysis.tables.pages import (
    make_axes_page,
    make_delta_page,
    make_environment_table,
    make_resources_page,
    make_summary_page,
)
from analysis.wording.findings import state_findings

#: Charts beyond this many bytes of SVG are named, not shown: the whole file stays below 5 MB.
_MOST_CHART_BYTES = 2_700_000

#: Rows of all tables together beyond this, or beyond so many characters, are in the CSV only.
_MOST_ROWS, _MOST_TABLE_CHARACTERS = 3500, 1_600_000

#: Characters of a chart's alternative text, and of the list of what was excluded.
_LONGEST_ALT, _LONGEST_EXCLUDED = 2000, 60_000

#: Characters that a cell of a table costs in HTML besides its text.
_CELL_MARKUP = 24

#: The charts' colours that follow the reader's light or dark.
_THEMED = {INK: "--ink", FAINT_INK: "--faint", GRID: "--grid", PAPER: "--paper"}

_NUMBER = re.compile(r"[<+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?: ?[%x†‡§~]+)*")
_GROUP_IDS = re.compile(r'<g id="[^"]*"')
_SIZE = re.compile(r'(<svg [^>]*?)width="([\d.]+)pt" height="[\d.]+pt"')


@dataclass(frozen=True, slots=True)
class _Figure:
    stem: str
    title: str
    alt: str
    svg: Markup


def write_html(data: ReportData, folder: Path) -> str:
    """The report as one HTML file; the charts' SVG files lie in ``folder`` already."""
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
    said = state_findings(data.deltas, data.by_axis)
    return environment.get_template("report.html.j2").render(
        style=style,
        script=script,
        title=name_report(data),
        findings=said[:MOST_FINDINGS],
        more_findings=len(said) - MOST_FINDINGS,
        figures=shown,
        named=named,
        num_charts_not_drawn=data.num_charts_not_drawn,
        pages=_shortened(_pages(data)),
        environments=make_environment_table(data.environments),
        excluded=list_excluded_within(data, _LONGEST_EXCLUDED),
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


def _pages(data: ReportData) -> list[Page]:
    """Differences, one axis at a time, every cell; the environments have a section of their own."""
    pages = [make_delta_page(data.deltas, data.environments)]
    if len(data.by_axis) > 1:
        pages.append(make_axes_page(data.by_axis))
    pages.append(make_summary_page(data.deltas, data.environments))
    resources = make_resources_page(data.deltas)
    pages += [resources] if resources.tables else []
    which_is_which = make_environment_table(data.environments)
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
