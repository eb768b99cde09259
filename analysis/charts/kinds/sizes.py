"""How large a chart and its text are: on a screen, or in a column of a paper."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes of a chart: text in points, lengths in inches.

    ``column_in`` and ``page_in`` are the two widths that a chart may have, or ``None`` if each kind
    of chart has its own. ``scale`` applies to lengths that go with the text, ``height_scale`` to
    the height of the axes. Without ``has_words`` title, subtitle and origin are not drawn, because
    the document gives them below the chart.
    """

    title: float = 13
    label: float = 10
    legend: float = 9.5
    tick: float = 9
    value: float = 9
    small: float = 8
    margin_in: float = 0.18
    gap_in: float = 0.12
    left_in: float = 0.9
    right_in: float = 0.2
    legend_handle_in: float = 0.45
    scale: float = 1.0
    height_scale: float = 1.0
    column_in: float | None = None
    page_in: float | None = None
    has_words: bool = True

    def choose_width(self, usual_in: float, least_in: float = 0.0) -> float:
        """The width of a chart: ``usual_in`` on a screen; in a paper the column or the page.

        The page is used if the chart needs more than a column (``least_in``), even if the page is
        too narrow as well.
        """
        if self.column_in is None or self.page_in is None:
            return usual_in
        return self.column_in if least_in <= self.column_in else self.page_in


SCREEN = Sizes()


def fit_column(column_in: float, page_in: float, text: float) -> Sizes:
    """Sizes for a column of text of ``text`` points, and for charts that need the whole page."""
    scale = text / SCREEN.label
    return Sizes(
        title=text,
        label=text,
        legend=text,
        tick=text,
        value=text,
        small=text,
        margin_in=0.04,
        gap_in=SCREEN.gap_in * scale,
        left_in=0.6 * scale,
        right_in=0.06,
        legend_handle_in=SCREEN.legend_handle_in * scale,
        scale=scale,
        height_scale=0.55,
        column_in=column_in,
        page_in=page_in,
        has_words=False,
    )
