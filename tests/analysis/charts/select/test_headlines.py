"""The first chart: what its title claims, and what is written beside each dot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import compare, load_records, summarise
from analysis.charts.kinds.speedups import SpeedupChart
from analysis.charts.select.all_groups import select_charts
from analysis.charts.select.captions import LONGEST_CAPTION
from analysis.charts.select.headlines import select_headlines
from tests.support.records import SCALED, sample_record, write_main_sweep, write_sample, write_sweep

#: Eight rounds that scatter by about a percent.
STEADY = (1.00, 1.01, 0.99, 1.005, 0.995, 1.01, 0.99, 1.0)
#: Eight rounds that scatter so much that no verdict is reached.
NOISY = (1.0, 1.4, 0.7, 1.2, 0.8, 1.5, 0.6, 1.1)


def rounds_of(mean_s: float, scatter: tuple[float, ...] = STEADY) -> list[float]:
    return [mean_s * factor for factor in scatter]


def write(root: Path, flash_s: float, scatter: tuple[float, ...] = STEADY, **fixed: Any) -> Path:
    """Math at about one second, and flash."""
    cells = {
        (1, "math"): rounds_of(1.0, STEADY[::-1]),
        (1, "flash"): rounds_of(flash_s, scatter),
    }
    return write_sweep(root, cells, **fixed)


def headline(root: Path) -> SpeedupChart:
    (chart,) = select_headlines(compare(summarise(load_records(root)))).values()
    return chart


def test_a_verdict_is_the_title(tmp_path: Path) -> None:
    chart = headline(write(tmp_path, 0.5))
    assert chart.title == "flash is 2.00 times as fast as math at batch size 1"
    (row,) = chart.rows
    assert (row.series, row.text, row.word, row.decided) == ("flash", "2.00x", "faster", True)
    assert chart.x_label == "flash: times as fast as math, with its 95 % interval"
    assert chart.subtitle == "sd2, 128x128 pixels, 4 steps, plms, fp32, batch size 1, on EPYC"


def test_a_slower_cell_is_the_title_where_none_is_faster(tmp_path: Path) -> None:
    chart = headline(write(tmp_path, 2.0))
    assert chart.title == "flash takes 2.00 times as long as math at batch size 1"


def test_the_largest_gain_is_the_title(tmp_path: Path) -> None:
    cells = {
        (size, name): rounds_of(mean_s * size, STEADY[::-1] if name == "math" else STEADY)
        for size, flash_s in ((1, 0.5), (4, 0.25))
        for name, mean_s in (("math", 1.0), ("flash", flash_s))
    }
    chart = headline(write_sweep(tmp_path, cells))
    assert chart.title == "flash is 4.00 times as fast as math at batch size 4"
    assert [(row.name, row.group) for row in chart.rows] == [
        ("batch size 1", ""),
        ("batch size 4", ""),
    ]


def test_without_a_verdict_the_title_claims_nothing(tmp_path: Path) -> None:
    chart = headline(write(tmp_path, 1.0, NOISY))
    assert chart.title == "No difference between flash and math could be shown"
    assert [(row.word, row.decided) for row in chart.rows] == [("unclear", False)]


def test_two_rounds_claim_nothing_however_large_the_difference(tmp_path: Path) -> None:
    chart = headline(write_main_sweep(tmp_path))
    assert chart.title == "No difference between flash and math could be shown"
    assert {row.word for row in chart.rows} == {"too few rounds"}


@pytest.mark.parametrize(
    "fixed", [{"proven": False}, {"changes": {(1, "flash"): 0.5}}], ids=["no proof", "no parity"]
)
def test_without_proof_or_parity_the_title_claims_nothing(
    tmp_path: Path, fixed: dict[str, Any]
) -> None:
    chart = headline(write(tmp_path, 0.5, **fixed))
    assert chart.title == "flash and math cannot be compared fairly: no claim"
    assert [(row.word, row.decided) for row in chart.rows] == [("no claim", False)]


def test_the_title_states_equal_speed(tmp_path: Path) -> None:
    even = tuple(1 + 1e-4 * at for at in range(8))
    cells = {(1, "math"): rounds_of(1.0, even), (1, "flash"): rounds_of(1.0, even[::-1])}
    chart = headline(write_sweep(tmp_path, cells))
    assert chart.title == "flash and math are equally fast, within 1 %"


def test_it_is_the_first_chart_of_all(tmp_path: Path) -> None:
    rounds = load_records(write_main_sweep(tmp_path))
    first, *_ = select_charts(rounds, compare(summarise(rounds)))
    assert first == "speedup_EPYC_n_iter_1_sd2"


def test_a_single_cell_has_no_headline(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0))
    assert select_headlines(compare(summarise(load_records(tmp_path)))) == {}


def test_only_so_many_comparisons_are_shown_and_the_caption_counts(tmp_path: Path) -> None:
    cells = {
        (size, name): rounds_of(1.0)
        for size in (1, 2, 4, 8, 16)
        for name in ("math", "flash", "cudnn", "auto", "mem_efficient", "original")
    }
    chart = headline(write_sweep(tmp_path, cells))
    assert len(chart.rows) == 24
    assert chart.x_label == "Times as fast as attention original, with its 95 % interval"
    assert (chart.rows[0].name, chart.rows[0].group) == ("math", "batch size 1")
    assert "24 of 25 comparisons." in chart.caption


def test_every_caption_fits_into_two_lines_and_repeats_nothing_shared(tmp_path: Path) -> None:
    rounds = load_records(write_main_sweep(tmp_path))
    for stem, chart in select_charts(rounds, compare(summarise(rounds))).items():
        caption = " ".join(chart.caption)
        assert 0 < len(caption) <= LONGEST_CAPTION, stem
        assert not any(word in caption for word in (*SCALED, "Scaled down", "AMD EPYC", "PyTorch"))
        assert chart.origin == "AMD EPYC, PyTorch 2.15.0, 2026-11-23"
