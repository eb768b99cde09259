"""Rewrites the text between marks in documents, so that no number in them is typed by hand.

A mark is ``<!-- analysis: WHAT ... -->`` and the end of its part is ``<!-- /analysis -->``, each on
a separate line. FOLDER and pictures are relative to the document. WHAT is one of

- ``table summary FOLDER``, ``table delta FOLDER [BASELINE]``: a table of these records;
- ``peers PART FOLDER``: how implementations compare; PART is ``findings``, one of the tables
  ``whole``, ``stages``, ``best``, ``chart``, or ``short``, a short table for a README;
- ``findings FOLDER [BASELINE]``: the summary in sentences;
- ``chart NAME FOLDER [BASELINE]``: a chart by its file name, as a picture in ``images/``;
- ``published table NAME``, ``published notes``, ``published chart NAME``: the published study.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.sheet import DPI, silence_fonts
from analysis.charts.select.all_groups import select_charts
from analysis.charts.select.peers import select_peer_charts
from analysis.comparison.deltas import compare
from analysis.comparison.peers import Peers, find_peers
from analysis.errors import AnalysisError
from analysis.ingest.cells import summarise
from analysis.ingest.environments import list_environments
from analysis.ingest.rounds import load_records
from analysis.published.pages import (
    make_published_charts,
    make_published_page,
    make_published_run_charts,
)
from analysis.tables.markup import table_to_markdown, to_markdown
from analysis.tables.page import Page
from analysis.tables.pages import make_delta_page, make_summary_page
from analysis.tables.peers import (
    make_best_table,
    make_short_table,
    make_stage_table,
    make_whole_table,
)
from analysis.wording.findings import state_findings
from analysis.wording.peers import describe_sweep, state_peers
from sd_bench.records import read_text

#: A mark, which may run over several lines, or the end of a part; nothing else is on their lines.
_MARK = re.compile(
    r"^[ \t]*<!-- (?:analysis: (?P<what>(?:(?!-->|<!--).)*?)|/analysis) -->[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_END = "<!-- /analysis -->"
_PICTURES = "images"
_LARGEST_DOCUMENT = 2**24

_Named = TypeVar("_Named")
_Load = Callable[[Path], pd.DataFrame]


@dataclass(slots=True)
class Published:
    """A rewritten document: its text, and its charts by path."""

    text: str
    pictures: dict[Path, Chart] = field(default_factory=dict)


def publish(document: Path, on_left_out: Callable[[str], None] | None = None) -> Published:
    """The document with every marked part rewritten; nothing is written to disk.

    ``on_left_out`` is as in `load_records`. Raises AnalysisError, naming document and mark, if a
    mark cannot be followed or has no end, or if there is no mark; OSError if the document cannot be
    read.
    """
    old = read_text(document, _LARGEST_DOCUMENT)
    published, at = Published(""), 0
    load = partial(load_records, on_left_out=on_left_out) if on_left_out else load_records
    for mark, end in _parts(document, old):
        try:
            text = _follow(shlex.split(mark["what"]), document.parent, published, load)
        except (AnalysisError, ValueError, KeyError) as error:
            raise AnalysisError(f"{document}: mark {mark['what']!r}: {error}") from error
        published.text += f"{old[at : mark.end()]}\n{text.strip()}\n"
        at = end.start()
    published.text += old[at:]
    return published


def _parts(document: Path, text: str) -> list[tuple[re.Match[str], re.Match[str]]]:
    """Each mark with its end. Raises AnalysisError, naming the line, if they do not pair up."""
    parts: list[tuple[re.Match[str], re.Match[str]]] = []
    mark = None
    for found in _MARK.finditer(text):
        if (found["what"] is None) == (mark is None):
            raise _unpaired(document, mark or found)
        if mark is not None:
            parts.append((mark, found))
        mark = found if mark is None else None
    if mark is not None:
        raise _unpaired(document, mark)
    if not parts:
        raise AnalysisError(f"{document}: no part between <!-- analysis: ... --> and its end")
    return parts


def _unpaired(document: Path, mark: re.Match[str]) -> AnalysisError:
    line = mark.string.count("\n", 0, mark.start()) + 1
    if mark["what"] is None:
        fault = f"{_END} without a mark before it: remove it, or write the mark on a line before it"
    else:
        fault = f"mark {mark['what']!r} has no end: write {_END} on a line after its part"
    return AnalysisError(f"{document}:{line}: {fault}")


def save_pictures(published: Published) -> list[Path]:
    """Draw the charts of a document as PNG. Raises OSError."""
    for path, chart in published.pictures.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with silence_fonts():
            chart.draw().savefig(path, dpi=DPI)
    return list(published.pictures)


def _follow(words: list[str], folder: Path, published: Published, load: _Load) -> str:
    match words:
        case ["table", ("summary" | "delta") as kind, records, *baseline] if len(baseline) < 2:
            return _tables(kind, *_compared(load(folder / records), *baseline))
        case ["findings", records, *baseline] if len(baseline) < 2:
            _, deltas = _compared(load(folder / records), *baseline)
            return "\n".join(f"- {_plain(sentence)}" for sentence in state_findings(deltas))
        case ["peers", "chart", records]:
            charts = select_peer_charts(_compared(load(folder / records))[1])
            return "\n\n".join(_picture(name, charts, folder, published) for name in charts)
        case ["peers", part, records] if part in _PEERS:
            return _PEERS[part](_peers(load(folder / records)))
        case ["chart", name, records, *baseline] if len(baseline) < 2:
            selected = select_charts(*_compared(load(folder / records), *baseline))
            return _picture(name, selected, folder, published)
        case ["published", "table", title]:
            tables = {table.title: table for table in make_published_page().tables}
            return table_to_markdown(_one_of(tables, title))
        case ["published", "notes"]:
            return "\n".join(f"- {_plain(note)}" for note in make_published_page().notes)
        case ["published", "chart", name]:
            both: dict[str, Chart] = {**make_published_charts(), **make_published_run_charts()}
            return _picture(name, both, folder, published)
    raise AnalysisError("not understood; docs/analysis.md lists the marks")


def _peers(rounds: pd.DataFrame) -> Peers:
    _, deltas = _compared(rounds)
    peers = find_peers(deltas)
    if peers is None:
        raise AnalysisError("these records hold one implementation only")
    return peers


def _say_peers(peers: Peers) -> str:
    sentences = [*state_peers(peers), describe_sweep(peers)]
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


_PEERS: dict[str, Callable[[Peers], str]] = {
    "findings": _say_peers,
    "short": lambda peers: f"{_say_peers(peers)}\n\n{table_to_markdown(make_short_table(peers))}",
    "whole": lambda peers: table_to_markdown(make_whole_table(peers)),
    "stages": lambda peers: table_to_markdown(make_stage_table(peers)),
    "best": lambda peers: table_to_markdown(make_best_table(peers)),
}


def _compared(
    rounds: pd.DataFrame, baseline: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return rounds, compare(summarise(rounds), baseline)


def _tables(kind: str, rounds: pd.DataFrame, deltas: pd.DataFrame) -> str:
    make: Callable[..., Page] = {"summary": make_summary_page, "delta": make_delta_page}[kind]
    page = make(deltas, list_environments(rounds))
    blocks = [f"**{_plain(table.title)}**\n\n{table_to_markdown(table)}" for table in page.tables]
    return "\n\n".join([*blocks, *(_plain(note) for note in page.notes)])


def _picture(name: str, charts: Mapping[str, Chart], folder: Path, published: Published) -> str:
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
