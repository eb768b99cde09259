"""Documents whose numbers nobody types: what stands between marks is written anew from the data.

A mark is ``<!-- analysis: WHAT ... -->``, the end of its part ``<!-- /analysis -->``. FOLDER and
pictures are relative to the document. WHAT is one of

- ``table summary FOLDER``, ``table delta FOLDER [BASELINE]``: a table of these records;
- ``findings FOLDER [BASELINE]``: the summary in sentences;
- ``chart NAME FOLDER [BASELINE]``: a chart by its file name, as a picture in ``images/``;
- ``published table NAME``, ``published notes``, ``published chart NAME``: the published study.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from analysis.charts import all_charts
from analysis.compare import compare
from analysis.environments import environments
from analysis.errors import AnalysisError
from analysis.figures import DPI, quiet_fonts
from analysis.findings import findings
from analysis.formats import Page
from analysis.load import load_records
from analysis.markup import table_to_markdown, to_markdown
from analysis.published_report import published_charts, published_page, published_run_charts
from analysis.summarise import summarise
from analysis.tables import delta_page, summary_page

_PART = re.compile(r"(<!-- analysis: (.*?) -->\n)(.*?)(<!-- /analysis -->)", re.DOTALL)
_PICTURES = "images"

_Named = TypeVar("_Named")


class _Drawable(Protocol):
    def draw(self) -> Figure: ...
    def alt(self) -> str: ...


@dataclass(slots=True)
class Published:
    """A document written anew: its text, and the charts that it shows by path."""

    text: str
    pictures: dict[Path, _Drawable] = field(default_factory=dict)


def publish(document: Path) -> Published:
    """The document with every marked part written anew; nothing is written to disk.

    Raises AnalysisError, naming document and mark, for a mark that cannot be followed, and if
    there is none; OSError if the document cannot be read.
    """
    old = document.read_text(encoding="utf-8")
    if not _PART.search(old):
        raise AnalysisError(f"{document}: no part between <!-- analysis: ... --> and its end")
    published = Published("")

    def anew(part: re.Match[str]) -> str:
        begin, mark, _, end = part.groups()
        try:
            text = _follow(shlex.split(mark), document.parent, published)
        except (AnalysisError, ValueError, KeyError) as error:
            raise AnalysisError(f"{document}: mark {mark!r}: {error}") from error
        return f"{begin}{text.strip()}\n{end}"

    published.text = _PART.sub(anew, old)
    return published


def save_pictures(published: Published) -> list[Path]:
    """Draw the charts of a document as PNG. Raises OSError."""
    for path, chart in published.pictures.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with quiet_fonts():
            chart.draw().savefig(path, dpi=DPI)
    return list(published.pictures)


def _follow(words: list[str], folder: Path, published: Published) -> str:
    match words:
        case ["table", ("summary" | "delta") as kind, records, *baseline] if len(baseline) < 2:
            return _tables(kind, *_compared(folder / records, *baseline))
        case ["findings", records, *baseline] if len(baseline) < 2:
            _, deltas = _compared(folder / records, *baseline)
            return "\n".join(f"- {_plain(sentence)}" for sentence in findings(deltas))
        case ["chart", name, records, *baseline] if len(baseline) < 2:
            charts = all_charts(*_compared(folder / records, *baseline))
            return _picture(name, charts, folder, published)
        case ["published", "table", title]:
            tables = {table.title: table for table in published_page().tables}
            return table_to_markdown(_one_of(tables, title))
        case ["published", "notes"]:
            return "\n".join(f"- {_plain(note)}" for note in published_page().notes)
        case ["published", "chart", name]:
            both: dict[str, _Drawable] = {**published_charts(), **published_run_charts()}
            return _picture(name, both, folder, published)
    raise AnalysisError("not understood; docs/analysis.md lists the marks")


def _compared(folder: Path, baseline: str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    rounds = load_records(folder)
    return rounds, compare(summarise(rounds), baseline)


def _tables(kind: str, rounds: pd.DataFrame, deltas: pd.DataFrame) -> str:
    make: Callable[..., Page] = {"summary": summary_page, "delta": delta_page}[kind]
    page = make(deltas, environments(rounds))
    blocks = [f"**{_plain(table.title)}**\n\n{table_to_markdown(table)}" for table in page.tables]
    return "\n\n".join([*blocks, *(_plain(note) for note in page.notes)])


def _picture(name: str, charts: Mapping[str, _Drawable], folder: Path, published: Published) -> str:
    chart = _one_of(charts, name)
    published.pictures[folder / _PICTURES / f"{name}.png"] = chart
    alt = _plain(chart.alt().replace("[", "(").replace("]", ")"))
    return f"![{alt}]({_PICTURES}/{name}.png)"


def _one_of(there: Mapping[str, _Named], name: str) -> _Named:
    if name not in there:
        raise AnalysisError(f"no {name!r}; there are: {', '.join(there)}")
    return there[name]


def _plain(text: str) -> str:
    return to_markdown(Page(title="", tables=[], notes=[text])).partition("\n")[2].strip()
