"""Files for a paper in LaTeX: tables, charts as wide as a column, the methods, and a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.sheet import save_pdf
from analysis.charts.kinds.sizes import Sizes
from analysis.tables.latex import to_latex
from analysis.tables.latex_text import PREAMBLE, to_latex_text
from analysis.tables.page import Page
from sd_bench.records import write_atomically

#: A chart wider than the column by more than this, in inches, needs both.
_ROUNDING_IN = 0.01

_DOCUMENT = r"""% All of it on a few pages, to look at: take from it what the paper needs.
\documentclass[10pt,twocolumn]{article}
\usepackage[paperwidth=8.5in,paperheight=11in,textwidth=%PAGE%in,textheight=9.25in,
  columnsep=%BETWEEN%in]{geometry}
\usepackage{booktabs,tabularx,graphicx}
\setcounter{dbltopnumber}{9}
\renewcommand{\dbltopfraction}{0.95}
\renewcommand{\dblfloatpagefraction}{0.6}
\begin{document}
\section*{%TITLE%}
\subsection*{Methods}
\input{methods}
%INPUTS%
\end{document}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperData:
    """The content of a paper: tables, charts, and the sentences of the ``methods``.

    ``pages`` and ``charts`` are by file name without suffix.
    """

    title: str
    pages: Mapping[str, Page]
    charts: Mapping[str, Chart]
    methods: Sequence[str]


def write_paper(data: PaperData, sizes: Sizes, folder: Path) -> list[Path]:
    """Write the tables, the charts and the methods of a paper, and a document that shows them all.

    The files are tables (``.tex``), charts (``.pdf``), ``figures.tex``, ``methods.tex``,
    ``methods.txt`` and ``paper.tex``. ``sizes`` are the sizes for a column from
    `charts.kinds.sizes.fit_column`. Raises OSError.
    """
    paths, figures = [], [PREAMBLE]
    for stem, chart in data.charts.items():
        drawn = chart.draw(sizes)
        paths.append(save_pdf(drawn, folder, stem))
        figures.append(_float(chart, stem, drawn.get_figwidth(), sizes))
    texts = {f"{stem}.tex": to_latex(page, stem) for stem, page in data.pages.items()}
    methods = " ".join(data.methods)
    texts |= {
        "figures.tex": "\n\n".join(figures) + "\n",
        "methods.tex": f"{PREAMBLE}\n{to_latex_text(methods)}\n",
        "methods.txt": f"{methods}\n",
        "paper.tex": _document(data, sizes),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [*paths, *(folder / name for name in texts)]


def _float(chart: Chart, stem: str, width_in: float, sizes: Sizes) -> str:
    """A figure at its natural size, so that its text has the intended size."""
    in_column = sizes.column_in is None or width_in <= sizes.column_in + _ROUNDING_IN
    kind = "figure" if in_column else "figure*"
    words = (chart.title, chart.subtitle, *chart.caption, chart.origin)
    caption = " ".join(f"{each.rstrip('.')}." for each in words if each)
    return "\n".join(
        [
            f"\\begin{{{kind}}}[tbp]",
            r"\centering",
            f"\\includegraphics{{{stem}.pdf}}",
            f"\\caption{{{to_latex_text(caption)}}}",
            f"\\label{{fig:{stem}}}",
            f"\\end{{{kind}}}",
        ]
    )


def _document(data: PaperData, sizes: Sizes) -> str:
    page_in, column_in = sizes.page_in or 0.0, sizes.column_in or 0.0
    inputs = [*(f"\\input{{{stem}}}" for stem in data.pages), r"\clearpage"]
    values = {
        "%PAGE%": f"{page_in:g}",
        "%BETWEEN%": f"{max(page_in - 2 * column_in, 0.1):g}",
        "%TITLE%": to_latex_text(data.title),
        "%INPUTS%": "\n".join([*inputs, *([r"\input{figures}"] if data.charts else [])]),
    }
    text = _DOCUMENT
    for place, value in values.items():
        text = text.replace(place, value)
    return text
