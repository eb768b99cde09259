"""The report as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.report.contents import ReportData, list_excluded_within
from analysis.report.figures import make_figures
from analysis.report.outline import Outline
from analysis.report.pictures import show_pictures
from analysis.report.table_views import classify, shorten_pages, view_table

#: Characters of the list of what was excluded.
_LONGEST_EXCLUDED = 60_000


def write_html(data: ReportData, outline: Outline, folder: Path) -> str:
    """The report as one HTML file; ``folder`` already contains the charts' SVG files."""
    environment = Environment(
        loader=PackageLoader("analysis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"view": view_table, "classify": classify}
    source = environment.loader
    assert source is not None
    style, script = (
        Markup(source.get_source(environment, name)[0]) for name in ("report.css", "report.js")
    )
    figures, named = make_figures(data.charts, folder)
    return environment.get_template("report.html.j2").render(
        style=style,
        script=script,
        outline=outline,
        figures=figures,
        named=named,
        num_charts_not_drawn=data.num_charts_not_drawn,
        sections=shorten_pages(outline.sections),
        pictures=show_pictures(data.deltas),
        excluded=list_excluded_within(data, _LONGEST_EXCLUDED),
    )
