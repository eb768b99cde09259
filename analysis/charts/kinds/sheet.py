"""A figure with title, legend, axes and origin, stacked so that nothing overlaps or is cut off.

Text is measured before it is placed, and the figure is as tall as its blocks need. It does not use
pyplot, so there is no state outside the figure.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend

from analysis.charts.colours import FAINT_INK, GRID, INK, PAPER
from analysis.charts.kinds.sizes import SCREEN, Sizes

DPI = 150

_LINE_SPACING = 1.3
_LONGEST_TEXT = 1000


@contextmanager
def silence_fonts() -> Iterator[None]:
    """Silence the warning about characters that the font lacks; they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*[Gg]lyph")
        yield


class Sheet:
    """A figure of fixed width whose height follows from what is put on it."""

    def __init__(self, width_in: float, sizes: Sizes = SCREEN) -> None:
        """Begin an empty sheet, ``width_in`` inches wide."""
        self.sizes = sizes
        self.figure = Figure(figsize=(width_in, width_in), dpi=DPI, facecolor=PAPER)
        self.axes_width_in = width_in - sizes.left_in - sizes.right_in
        self._text_width_in = width_in - 2 * sizes.margin_in
        self._renderer: RendererAgg = FigureCanvasAgg(self.figure).get_renderer()  # type: ignore[no-untyped-call]

    def text_width(self, text: str, size: float) -> float:
        """The width of one line of text in inches; ``size`` in points."""
        return _text_width(self._renderer, text, size)

    def wrap(self, text: str, size: float, width_in: float) -> list[str]:
        """Lines of at most ``width_in``, broken at spaces, or inside words that are too long.

        A text that would fill the sheet, such as a whole log, is cut; tables have all of it.
        """
        lines: list[str] = []
        shown = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"
        for word in shown.split():
            for piece in self._pieces(word, size, width_in):
                longer = f"{lines[-1]} {piece}" if lines else piece
                if lines and self.text_width(longer, size) <= width_in:
                    lines[-1] = longer
                else:
                    lines.append(piece)
        return lines

    def legend(self, handles: Sequence[Artist], labels: Sequence[str]) -> Legend:
        """Make a legend as wide as the sheet, in as many columns as fit."""
        widest_in = self._text_width_in - self.sizes.legend_handle_in
        wrapped = ["\n".join(self.wrap(label, self.sizes.legend, widest_in)) for label in labels]
        widths = [
            max(self.text_width(line, self.sizes.legend) for line in label.split("\n"))
            for label in wrapped
        ]
        legend = self.figure.legend(
            list(handles),
            ["-"] * len(handles),  # a label that begins with _ would be dropped: set it below
            ncols=_num_columns(widths, self._text_width_in, self.sizes.legend_handle_in),
            fontsize=self.sizes.legend,
            loc="upper left",
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            handlelength=1.2,
            columnspacing=1.4,
        )
        for text, label in zip(legend.get_texts(), wrapped, strict=True):
            text.set(text=label, parse_math=False)
        return legend

    def lay_out(
        self,
        *,
        title: str,
        axes_height_in: float,
        below_axes_in: float,
        origin: str,
        legend: Legend | None = None,
        subtitle: str = "",
        above_axes_in: float = 0.0,
        left_in: float | None = None,
        right_in: float | None = None,
    ) -> Axes:
        """Place all blocks and return the axes; ``below_axes_in`` is for tick and axis labels.

        ``origin`` is one line below them, cut if it is too long. ``above_axes_in`` is room for what
        a chart writes there itself, ``left_in`` and ``right_in`` for what is beside the axes.
        """
        sizes = self.sizes
        if not sizes.has_words:
            title = subtitle = origin = ""
        left_in = sizes.left_in if left_in is None else left_in
        right_in = sizes.right_in if right_in is None else right_in
        title_lines = self.wrap(title, sizes.title, self._text_width_in)
        origin_lines = self._first_line(origin, sizes.small)
        subtitle_lines = self.wrap(subtitle, sizes.label, self._text_width_in)
        legend_in = 0.0
        if legend is not None:
            legend_in = legend.get_window_extent(self._renderer).height / DPI + sizes.gap_in
        origin_in = line_height_in(sizes.small) * len(origin_lines)
        titles_in = line_height_in(sizes.title) * len(title_lines)
        subtitles_in = line_height_in(sizes.label) * len(subtitle_lines)
        gap_in = sizes.gap_in if sizes.has_words else 0.0
        head_in = sizes.margin_in + titles_in + subtitles_in + gap_in
        axes_top_in = head_in + legend_in + above_axes_in
        height_in = axes_top_in + axes_height_in + below_axes_in + origin_in + sizes.margin_in
        width_in = self.figure.get_figwidth()
        self.figure.set_size_inches(width_in, height_in)
        if legend is not None:
            place = (sizes.margin_in / width_in, 1 - head_in / height_in)
            legend.set_bbox_to_anchor(place, self.figure.transFigure)
        self._block(title_lines, height_in - sizes.margin_in, sizes.title, INK)
        below_title_in = height_in - sizes.margin_in - titles_in
        self._block(subtitle_lines, below_title_in, sizes.label, FAINT_INK)
        self._block(origin_lines, origin_in + sizes.margin_in, sizes.small, FAINT_INK)
        axes = self.figure.add_axes(
            (
                left_in / width_in,
                1 - (axes_top_in + axes_height_in) / height_in,
                (width_in - left_in - right_in) / width_in,
                axes_height_in / height_in,
            )
        )
        return _styled(axes, sizes)

    def _block(self, lines: list[str], top_in: float, size: float, colour: str) -> None:
        """Write lines of text downwards from ``top_in`` inches above the bottom of the figure."""
        width_in, height_in = self.figure.get_size_inches()
        for number, line in enumerate(lines):
            self.figure.text(
                self.sizes.margin_in / width_in,
                (top_in - number * line_height_in(size)) / height_in,
                line,
                fontsize=size,
                color=colour,
                va="top",
                parse_math=False,
            )

    def _first_line(self, text: str, size: float) -> list[str]:
        lines = self.wrap(text, size, self._text_width_in)
        return lines if len(lines) < 2 else [self.cut(text, size, self._text_width_in)]

    def cut(self, text: str, size: float, width_in: float) -> str:
        """As many characters of the text as fit on one line, with … where some are missing."""
        shown = text[:_LONGEST_TEXT]
        if shown == text and self.text_width(text, size) <= width_in:
            return text
        while shown and self.text_width(f"{shown}…", size) > width_in:
            shown = shown[:-1].rstrip()
        return f"{shown}…"

    def _pieces(self, word: str, size: float, width_in: float) -> list[str]:
        if self.text_width(word, size) <= width_in:
            return [word]
        pieces = [""]
        for character in word:
            if pieces[-1] and self.text_width(pieces[-1] + character, size) > width_in:
                pieces.append("")
            pieces[-1] += character
        return pieces


_WIDTHS: dict[tuple[str, float], float] = {}


def _text_width(renderer: RendererAgg, text: str, size: float) -> float:
    """The width of a text, measured once: all sheets have the same font and resolution."""
    if (text, size) not in _WIDTHS:
        measure = renderer.get_text_width_height_descent
        width, _, _ = measure(text, FontProperties(size=size), False)  # type: ignore[no-untyped-call]
        _WIDTHS[text, size] = float(width) / DPI
    return _WIDTHS[text, size]


def _num_columns(widths_in: list[float], room_in: float, handle_in: float) -> int:
    """The most legend columns that fit; entries run down the columns."""
    for columns in range(len(widths_in), 1, -1):
        each = [part.max() for part in np.array_split(np.array(widths_in), columns)]
        if sum(each) + columns * handle_in <= room_in:
            return columns
    return 1


def line_height_in(size: float) -> float:
    """The height in inches of a line of text of ``size`` points."""
    return size * _LINE_SPACING / 72


def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write the figure as PNG (150 dpi) and SVG; equal figures give equal files.

    Text in the SVG stays text, in DejaVu Sans or Verdana, which are equally wide. Raises OSError.
    """
    png, svg = folder / f"{stem}.png", folder / f"{stem}.svg"
    settings: Any = {"svg.hashsalt": stem, "svg.fonttype": "none"}
    with silence_fonts(), matplotlib.rc_context(settings):
        figure.savefig(png, dpi=DPI, pil_kwargs={"compress_level": 3})
        figure.savefig(svg, metadata={"Date": None})
    return [png, svg]


def save_pdf(figure: Figure, folder: Path, stem: str) -> Path:
    """Write the figure as PDF with its fonts embedded as TrueType.

    Equal figures give equal files. Raises OSError.
    """
    path = folder / f"{stem}.pdf"
    settings: Any = {"pdf.fonttype": 42}
    with silence_fonts(), matplotlib.rc_context(settings):
        figure.savefig(path, metadata={"CreationDate": None})
    return path


def _styled(axes: Axes, sizes: Sizes) -> Axes:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT_INK)
    axes.tick_params(colors=INK, length=0, labelsize=sizes.tick)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes
