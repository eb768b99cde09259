"""The chart of speed-ups, read back from its axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from analysis.charts.colours import PAPER, colour_series
from analysis.charts.kinds.sizes import SCREEN, Sizes, fit_column
from analysis.charts.kinds.speedups import Speedup, SpeedupChart
from tests.support.figures import assert_lines_stay_inside, assert_texts_are_readable


def row(value: float, low: float = math.nan, high: float = math.nan, **changes: Any) -> Speedup:
    fields: dict[str, Any] = {
        "name": "flash",
        "series": "flash",
        "value": value,
        "low": low,
        "high": high,
        "text": f"{value:.2f}x",
        "word": "faster",
        "decided": True,
    }
    return Speedup(**(fields | changes))


def chart(*rows: Speedup, **changes: Any) -> SpeedupChart:
    fields: dict[str, Any] = {
        "title": "flash is 1.16 times as fast as math at batch size 4",
        "subtitle": "sd2, 64x64 pixels, 2 steps, on cpu",
        "x_label": "Times as fast as math",
        "rows": list(rows),
        "colours": colour_series(dict.fromkeys(row.series for row in rows)),
        "caption": ["A caption."],
        "origin": "AMD EPYC, PyTorch 2.15.0, 2026-11-23",
    }
    return SpeedupChart(**(fields | changes))


def axes_of(drawn: SpeedupChart) -> Axes:
    (axes,) = drawn.draw().axes
    return axes


def dots_of(axes: Axes) -> list[tuple[float, bool]]:
    """Where the dots are, and which are filled."""
    dots = [line for line in axes.lines if line.get_markersize() == 10]
    return [
        (float(np.asarray(dot.get_xdata())[0]), to_hex(dot.get_markerfacecolor()) != PAPER)
        for dot in dots
    ]


def written_on(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


MIXED = (
    row(1.16, 1.10, 1.22, group="batch size 4"),
    row(0.99, 0.92, 1.07, word="unclear", decided=False, group="batch size 1"),
)


def test_a_dot_for_each_comparison_is_filled_where_a_verdict_was_reached() -> None:
    assert dots_of(axes_of(chart(*MIXED))) == [(1.16, True), (0.99, False)]


def test_each_value_has_the_word_of_its_verdict() -> None:
    written = written_on(axes_of(chart(*MIXED)))
    assert {"1.16x  faster", "0.99x  unclear", "batch size 1", "batch size 4"} <= set(written)


def test_a_line_stands_at_one_and_both_sides_say_what_they_mean() -> None:
    axes = axes_of(chart(row(1.2, 0.8, 1.8)))
    ones = [line for line in axes.lines if list(np.asarray(line.get_xdata())) == [1.0, 1.0]]
    assert len(ones) == 1
    assert {"← slower", "faster →"} <= set(written_on(axes))
    assert axes.get_xlabel() == "Times as fast as math"
    assert "1x" in [tick.get_text() for tick in axes.get_xticklabels()]


def test_intervals_are_drawn_in_the_colour_of_the_series() -> None:
    axes = axes_of(chart(*MIXED))
    ends = [tuple(np.asarray(line.get_xdata()).tolist()) for line in axes.lines]
    assert (1.10, 1.22) in ends
    assert (0.92, 1.07) in ends
    colours = {line.get_color() for line in axes.lines if len(np.asarray(line.get_xdata())) == 2}
    assert colour_series(["flash"])["flash"] in colours


def test_an_interval_far_beyond_the_dots_is_cut_and_printed() -> None:
    axes = axes_of(chart(row(1.1, 0.01, 90.0, word="unclear", decided=False)))
    assert axes.get_xlim()[1] < 2
    assert axes.get_xlim()[0] > 0.5
    assert "1.10x (0.01 to 90)  unclear" in written_on(axes)
    assert {"<", ">"} <= {line.get_marker() for line in axes.lines}


def test_ticks_are_round_numbers_on_both_sides_of_one() -> None:
    for rows, ticks in (
        ([row(0.99, 0.93, 1.08)], ["0.95x", "1x", "1.05x"]),
        ([row(1.5, 1.4, 1.6)], ["1x", "1.2x", "1.4x", "1.6x"]),
        ([row(20.0, 19.0, 21.0)], ["1x", "2x", "4x", "8x", "16x"]),
    ):
        axes = axes_of(chart(*rows))
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ticks


def test_a_small_difference_does_not_fill_the_chart() -> None:
    low, high = axes_of(chart(row(1.001, 1.0005, 1.0015))).get_xlim()
    assert low < 1 / 1.07
    assert high > 1.07


def test_a_long_name_stands_whole_on_two_lines() -> None:
    name = "diffusers, compile default, channels_last + freezing"
    written = written_on(axes_of(chart(row(1.1, name=name), row(1.2))))
    assert name not in written
    assert " ".join(text for text in written if text in name) == name


def test_the_words_say_everything() -> None:
    assert chart(*MIXED).alt() == (
        "Chart of speed-ups. flash is 1.16 times as fast as math at batch size 4. Times as fast as "
        "math. flash batch size 4: 1.16x (faster); flash batch size 1: 0.99x (unclear)."
    )


@pytest.mark.parametrize(
    "rows",
    [
        MIXED,
        [row(1.16)],
        [row(1.001, 1.0, 1.002)],
        [row(0.02, 0.01, 0.03, word="slower"), row(50.0, 1.0, 900.0)],
        [row(1.1 ** (n - 6), 1.1 ** (n - 7), 1.1 ** (n - 5), group=f"batch size {n // 4}")
         for n in range(24)],
        [row(2.0, 1.5, 2.5, name="a name that is long " * 4, group="g" * 90),
         row(0.4, 0.1, 9.0, word="too few rounds", decided=False, group="other")],
    ],
    ids=["mixed", "one", "tiny", "wide", "many", "long"],
)  # fmt: skip
def test_everything_can_be_read(rows: list[Speedup]) -> None:
    figure = chart(*rows, title="A title " * 12, origin="origin " * 60).draw()
    assert_texts_are_readable(figure)
    assert_lines_stay_inside(figure.axes[0])
    (axes,) = figure.axes
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for line in axes.lines:
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert low <= x.min() <= x.max() <= high
        if x.tolist() != [1.0, 1.0]:
            assert min(bottom, top) <= y.min() <= y.max() <= max(bottom, top)


#: Names and words of this length leave an axis too short for six tick labels.
BESIDE = {"name": "diffusers_documented, compile max_autotune", "word": "too few rounds"}


@pytest.mark.parametrize("sizes", [SCREEN, fit_column(3.3, 7.0, 8.0)], ids=["screen", "column"])
def test_between_long_names_and_words_no_label_is_cut_or_touches_another(sizes: Sizes) -> None:
    drawn = chart(
        row(0.85, 0.255, 2.8, **BESIDE), row(1.06, 0.154, 7.28, **BESIDE),
        x_label="Times as fast as sd_bench, with its 95 % interval",
    ).draw(sizes)  # fmt: skip
    (axes,) = drawn.axes
    assert axes.get_xlabel() == "Times as fast as sd_bench, with its 95 % interval"
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert "1x" in labels
    assert_texts_are_readable(drawn)


def test_a_label_too_long_for_the_sheet_goes_on_in_the_next_line() -> None:
    words = "Times as fast as sd_bench, " + "channels_last + packed_weights + " * 5 + "freezing"
    (axes,) = (drawn := chart(row(1.16), x_label=words).draw()).axes
    assert axes.get_xlabel().replace("\n", " ") == words
    assert_texts_are_readable(drawn)
