"""The published tables and charts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.published.pages import make_published_charts, make_published_page, write_published
from sd_bench.verdicts.axes import PUBLISHED_PRESETS


def test_the_page_says_what_the_data_says() -> None:
    page = make_published_page()
    assert page.notes[0] == (
        "The largest improvement in the data is 55.7 % (A10, batch size 4, optimized_compile "
        "against original_no_xformers)."
    )
    assert (
        "95 of 95 printed percentages agree with the seconds within their rounding." in page.notes
    )


def test_the_tables_are_the_published_ones() -> None:
    tables = {table.title: table for table in make_published_page().tables}
    table = tables["sd2, batch size 4, against original_xformers"]
    assert table.headings == ["GPU", *PUBLISHED_PRESETS]
    assert [row[0] for row in table.rows] == ["P100", "T4", "A10", "V100", "A100"]
    assert table.rows[2] == [
        "A10",
        "47.2 (-101.7 %)",
        "23.4 (0.0 %)",
        "28.3 (-20.9 %)",
        "23.9 (-2.1 %)",
        "20.9 (+10.7 %)",
    ]
    assert table.rows[0][5] == "- (needs compute capability 7.0)"
    other = tables["sd2, batch size 4, against original_no_xformers"]
    assert other.rows[2][5] == "20.9 (+55.7 %)"
    assert len(tables) == 8


def test_sd1_and_headline_tables() -> None:
    headline, sd1 = make_published_page().tables[-2:]
    assert headline.rows[4] == [
        "A100",
        "38.5 % (+38.8 %)",
        "20.33 % (+20.0 %)",
        "12.17 % (+11.8 %)",
    ]
    assert sd1.rows[1] == ["P100", "optimized", "57.5", "-19.5 %", "+19.6 %"]


def test_the_charts_have_the_published_groups_order_and_values() -> None:
    charts = make_published_charts()
    assert list(charts) == [
        "runtime_by_gpu_n_samples_2_sd1",
        "runtime_by_gpu_n_samples_1_n_iter_2_sd2",
        "runtime_by_gpu_n_samples_2_n_iter_2_sd2",
        "runtime_by_gpu_n_samples_4_n_iter_2_sd2",
    ]
    chart = charts["runtime_by_gpu_n_samples_4_n_iter_2_sd2"]
    assert chart.groups == ["P100", "T4", "A10", "V100", "A100"]
    assert chart.series == list(PUBLISHED_PRESETS)
    assert chart.bars["A10", "optimized_compile"].value == 20.9
    assert chart.bars["P100", "optimized_compile"].gap == "needs compute capability 7.0"
    sd1 = charts["runtime_by_gpu_n_samples_2_sd1"]
    assert (sd1.groups, sd1.series) == (
        ["P100", "T4", "V100", "A100"],
        ["original_no_xformers", "optimized"],
    )


def test_tables_and_charts_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: dict[str, Figure] = {}

    def collect(figure: Figure, folder: Path, stem: str) -> list[Path]:
        figures[stem] = figure
        return [folder / f"{stem}.png"]

    monkeypatch.setattr("analysis.published.pages.save", collect)
    paths = write_published(tmp_path)
    assert {path.stem for path in paths if path.suffix == ".png"} == figures.keys()
    assert figures.keys() == {
        *make_published_charts(),
        "original_vs_optimized_A100_n_samples_4_n_iter_2_sd2",
    }
    assert "55.7 %" in (tmp_path / "published_study.md").read_text()
    improvements = pd.read_csv(tmp_path / "published_improvements.csv")
    assert improvements["improvement_percent"].max() == pytest.approx(26.3 / 47.2 * 100)
    assert pd.read_csv(tmp_path / "printed_percentages.csv")["agrees"].all()
    (axes,) = figures["original_vs_optimized_A100_n_samples_4_n_iter_2_sd2"].axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [len(line.get_path()) for line in points] == [10] * 5
    title = " ".join(text.get_text() for text in axes.figure.texts[:2])
    assert (
        "optimized_compile: +12.2 % over original_xformers, +50.9 % over original_no_xformers"
        in title
    )
