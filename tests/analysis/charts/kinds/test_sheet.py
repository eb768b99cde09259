"""Text is measured and wrapped, blocks do not overlap, and equal figures give equal files."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from analysis.charts.kinds.sheet import Sheet, save, save_pdf
from analysis.charts.kinds.sizes import SCREEN


@pytest.mark.parametrize("width_in", [0.3, 1.0, 4.0])
def test_wrapped_lines_fit_and_lose_nothing(width_in: float) -> None:
    sheet = Sheet(8.0)
    text = "some words and " + "averylongwordwithoutanyspace" * 3 + " and more"
    lines = sheet.wrap(text, SCREEN.small, width_in)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(sheet.text_width(line, SCREEN.small) <= width_in for line in lines)


def test_an_empty_text_wraps_to_no_line() -> None:
    assert Sheet(8.0).wrap("  ", SCREEN.small, 1.0) == []


def test_a_text_as_long_as_a_log_is_cut_with_a_sign() -> None:
    lines = Sheet(8.0).wrap("word " * 100_000, SCREEN.small, 7.0)
    assert lines[-1].endswith("…")
    assert 950 <= sum(len(line) for line in lines) <= 1001


def test_a_word_is_not_broken_where_a_space_will_do() -> None:
    sheet = Sheet(8.0)
    width_in = sheet.text_width("second", SCREEN.small) * 1.05
    assert sheet.wrap("first second third", SCREEN.small, width_in) == ["first", "second", "third"]


def laid_out(labels: list[str], title: str = "title", origin: str = "origin") -> Figure:
    sheet = Sheet(6.0)
    sheet.lay_out(
        title=title,
        legend=sheet.legend([Patch()] * len(labels), labels),
        axes_height_in=2.0,
        below_axes_in=0.5,
        origin=origin,
    )
    return sheet.figure


@pytest.mark.parametrize("num_labels", [1, 5, 25])
@pytest.mark.parametrize("length", [1, 60])
def test_blocks_stand_below_each_other_inside_of_the_figure(num_labels: int, length: int) -> None:
    figure = laid_out(["label " * 4] * num_labels, "title " * length, "origin " * length)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts = [text.get_window_extent(renderer) for text in figure.texts]
    legend = figure.legends[0].get_window_extent(renderer)
    (axes,) = figure.axes
    frame = axes.get_window_extent(renderer)
    origin = [box for box in texts if box.y1 < frame.y0]
    titles = [box for box in texts if box.y0 > frame.y1]
    assert len(origin) == 1
    assert len(titles) == len(texts) - 1
    assert min(box.y0 for box in titles) > legend.y1
    assert legend.y0 > frame.y1
    for box in (*texts, legend):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0
        assert box.y1 <= figure.bbox.y1


@pytest.mark.slow
def test_the_origin_is_one_line_and_cut_with_a_sign() -> None:
    (title, origin) = laid_out(["a"], origin="a long origin " * 40).texts
    assert title.get_text() == "title"
    assert origin.get_text().startswith("a long origin a long origin")
    assert origin.get_text().endswith("…")


def test_legend_labels_are_shown_as_they_are() -> None:
    labels = ["_private", "$x^2$", "a b"]
    (legend,) = laid_out(labels).legends
    assert [text.get_text() for text in legend.get_texts()] == labels
    assert not any(text.get_parse_math() for text in legend.get_texts())


def test_png_has_150_dots_per_inch(tmp_path: Path) -> None:
    figure = laid_out(["one"])
    png, svg = save(figure, tmp_path, "chart")
    width_in, height_in = figure.get_size_inches()
    with Image.open(png) as image:
        assert image.size == (int(width_in * 150), int(height_in * 150))
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    assert svg.name == "chart.svg"


def test_fonts_are_in_the_pdf_as_truetype(tmp_path: Path) -> None:
    pdf = save_pdf(laid_out(["one"]), tmp_path, "chart")
    assert pdf.name == "chart.pdf"
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_equal_figures_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(laid_out(["one"]), tmp_path / name, "chart")
        save_pdf(laid_out(["one"]), tmp_path / name, "chart")
    for suffix in ("png", "svg", "pdf"):
        first, second = (tmp_path / name / f"chart.{suffix}" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
