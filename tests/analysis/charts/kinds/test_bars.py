"""What a bar chart shows, read back from its axes, and that nothing overlaps."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from analysis.charts.colours import colour_series
from analysis.charts.kinds.bars import Bar, BarChart
from analysis.charts.kinds.sheet import save
from tests.support.figures import assert_lines_stay_inside, assert_texts_are_readable

LONG = "unsupported: a reason of so many words that it fits into no gap of any chart " * 3


def chart(bars: dict[tuple[str, str], Bar], **changes: Any) -> BarChart:
    groups = list(dict.fromkeys(group for group, _ in bars))
    series = list(dict.fromkeys(name for _, name in bars))
    fields: dict[str, Any] = {
        "title": "Runtime on cpu",
        "x_label": "Batch size [images]",
        "y_label": "Runtime of a round [s]",
        "groups": groups,
        "series": series,
        "colours": colour_series(series),
        "bars": bars,
        "caption": ["Not drawn."],
        "origin": "AMD EPYC, PyTorch 2.15.0",
    }
    return BarChart(**(fields | changes))


def bar(value: float, half_width: float = math.nan, **changes: Any) -> Bar:
    fields: dict[str, Any] = {
        "value": value,
        "text": f"{value:.2f}",
        "low": value - half_width,
        "high": value + half_width,
    }
    return Bar(**(fields | changes))


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def containers(axes: Axes, kind: type) -> list[Any]:
    return [container for container in axes.containers if isinstance(container, kind)]


def labels_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts if isinstance(text, Annotation)]


def written_on(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


FOUR = {
    ("1", "math"): bar(2.0, 0.25),
    ("1", "flash"): bar(1.5, 0.5, verdict="faster"),
    ("2", "math"): bar(4.0, 0.5),
    ("2", "flash"): bar(3.5, 0.25, verdict="unclear"),
}


def test_bars_have_the_heights_and_colours_of_their_series() -> None:
    axes = axes_of(chart(FOUR).draw())
    bars = {c.get_label(): c for c in containers(axes, BarContainer)}
    assert list(bars) == ["math", "flash"]
    assert [patch.get_height() for patch in bars["math"]] == [2.0, 4.0]
    assert [patch.get_height() for patch in bars["flash"]] == [1.5, 3.5]
    colours = colour_series(["math", "flash"])
    assert {to_hex(patch.get_facecolor()) for patch in bars["flash"]} == {colours["flash"]}


def test_bars_stand_side_by_side_in_the_order_of_the_series() -> None:
    axes = axes_of(chart(FOUR).draw())
    math_bars, flash_bars = containers(axes, BarContainer)
    for group, (left, right) in enumerate(zip(math_bars, flash_bars, strict=True)):
        assert left.get_x() + left.get_width() < right.get_x()
        middle = (left.get_x() + right.get_x() + right.get_width()) / 2
        assert middle == pytest.approx(group)


def test_error_bars_span_the_intervals() -> None:
    axes = axes_of(chart(FOUR).draw())
    spans = [
        [tuple(float(y) for _, y in segment) for segment in container[2][0].get_segments()]
        for container in containers(axes, ErrorbarContainer)
    ]
    assert spans == [[(1.75, 2.25), (3.5, 4.5)], [(1.0, 2.0), (3.25, 3.75)]]


def test_without_intervals_there_are_no_error_bars() -> None:
    axes = axes_of(chart({("1", "math"): bar(2.0)}).draw())
    assert all(not c[2][0].get_segments() for c in containers(axes, ErrorbarContainer))


def test_axes_begin_at_zero_and_have_units() -> None:
    axes = axes_of(chart(FOUR).draw())
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 4.5
    assert axes.get_xlabel() == "Batch size [images]"
    assert axes.get_ylabel() == "Runtime of a round [s]"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]


def test_wide_bars_say_their_value_and_verdict() -> None:
    axes = axes_of(chart(FOUR).draw())
    assert labels_of(axes) == ["2.00", "1.50\nfaster", "4.00", "3.50\nunclear"]


def test_the_origin_is_written_on_the_picture_and_the_caption_is_not() -> None:
    written = written_on(chart(FOUR).draw())
    assert "AMD EPYC, PyTorch 2.15.0" in written
    assert "Not drawn." not in written


def many(num_groups: int, num_series: int, **changes: Any) -> dict[tuple[str, str], Bar]:
    return {
        (f"group {g}", f"series {s}"): bar(10.0 + g + s, 0.5, verdict="slower", **changes)
        for g, s in itertools.product(range(num_groups), range(num_series))
    }


def test_narrow_bars_say_their_value_only() -> None:
    assert labels_of(axes_of(chart(many(6, 5)).draw()))[0] == "10.00"


def test_a_gap_carries_its_reason() -> None:
    gap = Bar(gap="unsupported: needs capability 8.0")
    figure = chart({**FOUR, ("2", "flash"): gap}).draw()
    axes = axes_of(figure)
    assert len(containers(axes, BarContainer)[1]) == 1
    reasons = [text for text in axes.texts if not isinstance(text, Annotation)]
    assert [text.get_text() for text in reasons] == ["unsupported: needs capability 8.0"]
    assert 1.0 < reasons[0].get_position()[0] < 1.5


def test_a_reason_too_long_for_its_gap_is_cut_there() -> None:
    figure = chart({**FOUR, ("2", "flash"): Bar(gap=LONG * 3)}).draw()
    (reason,) = [t.get_text() for t in axes_of(figure).texts if not isinstance(t, Annotation)]
    assert reason.startswith("unsupported: a reason of so many words")
    assert reason.endswith(" …")


def test_a_gap_too_narrow_for_a_reason_has_a_cross() -> None:
    figure = chart({**many(4, 40), ("group 1", "series 3"): Bar(gap=LONG)}).draw()
    gaps = [t.get_text() for t in axes_of(figure).texts if not isinstance(t, Annotation)]
    assert gaps == ["\N{MULTIPLICATION SIGN}"]


def test_an_interval_longer_than_its_bar_is_cut_and_printed() -> None:
    bars = {("1", "math"): bar(9.0, 0.1), ("1", "flash"): bar(1.0, 1.5)}
    axes = axes_of(chart(bars).draw())
    (segment,) = containers(axes, ErrorbarContainer)[1][2][0].get_segments()
    assert [y for _, y in segment] == pytest.approx([0.0, 2.0])
    assert labels_of(axes) == ["9.00", "1.00\n(0 to 2.5)"]


def test_an_interval_far_above_the_highest_bar_is_cut_and_printed() -> None:
    axes = axes_of(chart({("1", "math"): bar(2.0, 100.0), ("1", "flash"): bar(1.0, 0.1)}).draw())
    (segment,) = containers(axes, ErrorbarContainer)[0][2][0].get_segments()
    assert [y for _, y in segment] == pytest.approx([0.0, 2.6])
    assert axes.get_ylim()[1] < 3.6
    assert labels_of(axes) == ["2.00\n(0 to 102)", "1.00"]


def test_a_cut_interval_is_printed_on_upright_labels_too() -> None:
    bars = {**many(6, 5), ("group 0", "series 0"): bar(1.0, 2.0)}
    assert labels_of(axes_of(chart(bars).draw()))[0] == "1.00 (0 to 3)"


@pytest.mark.slow
@pytest.mark.parametrize(
    "bars",
    [
        {("1", "math"): bar(2.0)},
        FOUR,
        many(1, 12),
        many(6, 5),
        many(6, 12),
        many(30, 2),
        many(3, 2, text="123456.78 †‡"),
        {**many(3, 2), ("group 0", "series 1"): Bar(gap=LONG)},
        {("1", "name " * 40): bar(2.0), ("group name " * 10, "_b"): bar(1e8, 1e7)},
        {("1", "math"): bar(2e-9, 1e-9), ("1", "flash"): Bar(gap="not run")},
        {("1", "math"): bar(2.0, 900.0), ("1", "flash"): bar(0.1, 5.0, verdict="too few rounds")},
        {**many(6, 5), ("group 0", "series 0"): bar(1.0, 2.0)},
    ],
    ids=[
        "one",
        "four",
        "twelve-series",
        "six-gpus",
        "many",
        "many-groups",
        "long-labels",
        "long-reason",
        "long-names",
        "tiny",
        "cut",
        "cut-upright",
    ],
)
def test_no_text_is_cut_off_or_covers_another(bars: dict[tuple[str, str], Bar]) -> None:
    figure = chart(bars, origin="an origin " * 60).draw()
    assert_texts_are_readable(figure)
    axes = axes_of(figure)
    assert_lines_stay_inside(axes)
    frame = axes.get_window_extent()
    for label in (text for text in axes.texts if isinstance(text, Annotation)):
        assert label.get_window_extent().y1 <= frame.y1


def test_characters_that_the_font_lacks_cause_no_warning(tmp_path: Path) -> None:
    names = {("絵 🚀", "$\\frac$ 文"): bar(2.0, text="字"), ("絵 🚀", "b"): Bar(gap="字")}
    save(chart(names, title="題", origin="説明").draw(), tmp_path, "chart")


def test_group_names_end_before_they_fill_the_sheet() -> None:
    groups = {("x" * 5000, "a"): bar(2.0)} | {(str(number), "a"): bar(1.0) for number in range(20)}
    figure = chart(groups).draw()
    tick = axes_of(figure).get_xticklabels()[0].get_text()
    assert tick.count("\n") == 6
    assert tick.endswith("…")
    assert figure.get_figheight() < 8


def test_no_state_is_left_in_pyplot() -> None:
    chart(FOUR).draw()
    assert plt.get_fignums() == []


def test_bars_of_nothing_are_drawn_without_a_warning() -> None:
    assert axes_of(chart({("1", "math"): bar(0.0)}).draw()).get_ylim()[1] > 0


def test_series_beyond_the_palette_have_a_hatch() -> None:
    series = [f"s{at}" for at in range(40)]
    chart = BarChart(
        title="Many",
        x_label="x",
        y_label="y",
        groups=["1"],
        series=series,
        colours=colour_series(series),
        bars={("1", name): Bar(value=1.0, text="1") for name in series},
        caption=[],
    )
    figure = chart.draw()
    drawn = {(patch.get_facecolor(), patch.get_hatch()) for patch in figure.axes[0].patches}
    in_legend = {
        (patch.get_facecolor(), patch.get_hatch()) for patch in figure.legends[0].get_patches()
    }
    assert len(drawn) == len(in_legend) == 40
