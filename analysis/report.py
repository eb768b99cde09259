"""The report: one HTML file that needs nothing else, and its short form for pull requests."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.charts import Chart
from analysis.choices import rows_of
from analysis.figures import FAINT_INK, GRID, INK
from analysis.findings import findings
from analysis.formats import Page
from analysis.markup import table_to_markdown, to_markdown
from analysis.tables import axes_page, delta_page, environment_table, summary_page
from sd_bench.records import write_atomically

#: Charts beyond this many bytes of SVG are named, not shown: the whole file stays below 5 MB.
_MOST_CHART_BYTES = 2_700_000

#: Rows of all tables together beyond this are in the CSV only.
_MOST_ROWS = 3500

#: Findings beyond this are in the tables only.
_MOST_FINDINGS = 30

#: The charts' colours that follow the reader's light or dark.
_THEMED = {INK: "--ink", FAINT_INK: "--faint", GRID: "--grid", "#ffffff": "--paper"}

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
    lines = [f"Record left out: {reason}" for reason in data.left_out]
    for row in rows_of(data.deltas[data.deltas["reason"] != ""]):
        what = "Rounds" if row["status"] == "ok" else "Cell"
        lines.append(
            f"{what} without times: {row['series']} at batch {row['batch_size']} on "
            f"{row['machine']}: {row['reason']}"
        )
    return lines


def _html(data: ReportData, folder: Path) -> str:
    environment = Environment(
        loader=PackageLoader("analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
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
        excluded=excluded(data),
    )


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
    room, shortened = _MOST_ROWS, []
    for page in pages:
        tables, notes = [], list(page.notes)
        for table in page.tables:
            tables.append(dataclasses.replace(table, rows=table.rows[:room]))
            if len(table.rows) > room:
                notes.append(f"{table.title}: the first {room} of {len(table.rows)} rows.")
            room = max(0, room - len(table.rows))
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
            shown.append(_Figure(stem, chart.title, chart.alt(), Markup(svg)))
        else:
            named.append(f"{stem}.svg")
    return shown, named


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
    """Findings and differences; what was excluded is counted and named in a fold."""
    page = delta_page(data.deltas, data.environments)
    findings_said = findings(data.deltas, data.by_axis)[:_MOST_FINDINGS]
    blocks = [to_markdown(Page(title=_title(data), tables=[], notes=findings_said))]
    blocks += [f"## {table.title}\n\n{table_to_markdown(table)}\n" for table in page.tables]
    blocks += [to_markdown(Page(title="", tables=[], notes=page.notes)).partition("\n")[2].lstrip()]
    lines = excluded(data)
    if lines:
        items = to_markdown(Page(title="", tables=[], notes=lines)).partition("\n")[2].lstrip()
        blocks.append(f"<details><summary>{len(lines)} excluded</summary>\n\n{items}\n</details>\n")
    return "\n".join(blocks)
