"""The charts of an HTML report: inline SVG in the page's colours, as many as fit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate, takewhile
from pathlib import Path

from markupsafe import Markup

from analysis.charts.colours import FAINT_INK, GRID, INK, PAPER
from analysis.charts.kinds.base import Chart

#: Charts beyond this many characters of SVG are only named, so that the file stays below 5 MB.
_MOST_CHARACTERS = 2_500_000

#: Characters of a chart's alternative text.
_LONGEST_ALT = 2000

#: The colours that follow the reader's light or dark theme.
_THEMED = {INK: "--ink", FAINT_INK: "--faint", GRID: "--grid", PAPER: "--paper"}

_GROUP_IDS = re.compile(r'<g id="[^"]*"')
_SIZE = re.compile(r'(<svg [^>]*?)width="([\d.]+)pt" height="[\d.]+pt"')


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with the text below it."""

    alt: str
    caption: str
    svg: Markup


def make_figures(charts: dict[str, Chart], folder: Path) -> tuple[list[Figure], list[str]]:
    """The charts that fit into the file, read from ``folder``, and the names of the others.

    Raises OSError.
    """
    shown: list[Figure] = []
    named: list[str] = []
    room = _MOST_CHARACTERS
    for stem, chart in charts.items():
        svg = inline_svg((folder / f"{stem}.svg").read_text(encoding="utf-8"), stem)
        if len(svg) <= room:
            room -= len(svg)
            caption = " ".join(chart.caption)
            shown.append(Figure(_short_alt(chart.alt()), caption, Markup(svg)))
        else:
            named.append(f"{stem}.svg")
    return shown, named


def _short_alt(text: str) -> str:
    """A chart's alternative text, cut to a length that one can listen to; tables have the rest."""
    if len(text) <= _LONGEST_ALT:
        return text
    ends = accumulate(len(part) + 1 for part in text.split(" "))
    begin = text[: max(takewhile(_LONGEST_ALT.__ge__, ends), default=_LONGEST_ALT)].rstrip(" ,;")
    more = len(re.findall("[,;] ", text[len(begin) :]))
    return f"{begin}; {more} further entries are in the tables."


def inline_svg(text: str, stem: str) -> str:
    """An SVG file as part of a page: colours follow the theme, and ids stay unique."""
    svg = text[text.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _GROUP_IDS.sub("<g", svg)
    svg = _SIZE.sub(rf'\1style="--width: \2pt" aria-hidden="true" data-stem="{stem}"', svg)
    for colour, variable in _THEMED.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg
