"""Whether the texts of a drawn figure can be read: none is cut, none overlaps another."""

from __future__ import annotations

import itertools

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def assert_texts_are_readable(figure: Figure) -> None:
    """Every text is inside the figure and overlaps no other."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts: list[Text] = [*figure.texts]
    for axes in figure.axes:
        texts += _texts_of(axes)
    for legend in figure.legends:
        texts += legend.get_texts()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text()]
    for text, box in boxes:
        assert box.x0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y0 >= -1, text
        assert box.y1 <= figure.bbox.y1 + 1, text
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        assert not _overlap(first, second), (one, other)


def assert_lines_stay_inside(axes: Axes) -> None:
    """No line, such as an interval's, leaves the axes."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    segments = [segment for lines in axes.collections for segment in _segments(lines)]
    for x, y in (point for segment in segments for point in segment):
        assert min(left, right) <= x <= max(left, right)
        assert min(bottom, top) <= y <= max(bottom, top)


def _segments(lines: object) -> list[list[tuple[float, float]]]:
    get = getattr(lines, "get_segments", list)
    return [[(float(x), float(y)) for x, y in segment] for segment in get()]


def _texts_of(axes: Axes) -> list[Text]:
    found = [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.yaxis.get_offset_text()]
    limits = ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
    return [*found, *(label for axis, ends in limits for label in _tick_labels(axis, ends))]


def _tick_labels(axis: Axis, ends: tuple[float, float]) -> list[Text]:
    ticks = axis.get_major_ticks()
    return [tick.label1 for tick in ticks if min(ends) <= tick.get_loc() <= max(ends)]


def _overlap(first: Bbox, second: Bbox) -> bool:
    one = first.padded(-1.5)
    return bool(
        one.x0 < second.x1 - 1.5
        and second.x0 + 1.5 < one.x1
        and one.y0 < second.y1 - 1.5
        and second.y0 + 1.5 < one.y1
    )


def fontsizes_of(figure: Figure) -> set[float]:
    """The sizes in points of all texts that a drawn figure shows."""
    figure.canvas.draw()
    texts: list[Text] = [*figure.texts]
    for axes in figure.axes:
        texts += _texts_of(axes)
    for legend in figure.legends:
        texts += legend.get_texts()
    return {float(text.get_fontsize()) for text in texts if text.get_text()}
