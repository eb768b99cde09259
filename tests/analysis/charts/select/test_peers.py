"""The chart of implementations, and stacks of stages where one has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import compare, load_records, summarise
from analysis.charts.colours import colour_series
from analysis.charts.kinds.stacks import StackChart
from analysis.charts.select.all_groups import select_charts
from analysis.charts.select.measures import select_measure_charts
from analysis.charts.select.peers import select_peer_charts
from tests.support.peers import write_peers
from tests.support.records import write_main_sweep

PIPELINE = "diffusers_pipeline"


def test_one_chart_per_batch_size_with_whole_iterations_and_stages(tmp_path: Path) -> None:
    deltas = compare(summarise(load_records(write_peers(tmp_path, batch_sizes=(1, 2)))))
    first, second = select_peer_charts(deltas).values()
    assert first.title.startswith("At batch size 1, each at its best, sd_bench loses to diffusers")
    assert second.title.startswith("At batch size 2, ")
    groups = list(dict.fromkeys(row.group for row in first.rows))
    assert groups == ["whole iteration", "text encoder", "denoising", "autoencoder"]
    assert [row.group for row in first.rows if row.series == PIPELINE] == ["whole iteration"]
    assert f"not among them: {PIPELINE}." in " ".join(first.caption)
    openvino = {row.group: row for row in first.rows if row.name == "openvino"}
    whole, text = openvino["whole iteration"], openvino["text encoder"]
    assert (whole.word, text.word) == ("faster", "slower")
    assert whole.value == pytest.approx(1.6)
    assert text.value == pytest.approx(0.8)
    assert first.colours["openvino"] == colour_series(["openvino"])["openvino"]


def test_a_stage_claims_nothing_where_the_picture_is_another(tmp_path: Path) -> None:
    root = write_peers(tmp_path, changes={"openvino": 0.5})
    (chart,) = select_peer_charts(compare(summarise(load_records(root)))).values()
    of_openvino = [row for row in chart.rows if row.name == "openvino"]
    assert {row.word for row in of_openvino} == {"no claim"}
    assert not any(row.decided for row in of_openvino)


def test_without_peers_there_is_no_such_chart(tmp_path: Path) -> None:
    rounds = load_records(write_main_sweep(tmp_path))
    charts = select_charts(rounds, compare(summarise(rounds)))
    assert charts
    assert not any(name.startswith("peers") for name in charts)


def test_stacks_leave_a_word_where_there_are_no_stages(tmp_path: Path) -> None:
    charts = select_measure_charts(compare(summarise(load_records(write_peers(tmp_path)))))
    (chart,) = (c for name, c in charts.items() if name.startswith("stages"))
    assert isinstance(chart, StackChart)
    assert chart.gaps == {f"{PIPELINE}, batch 1": "one call, without stages"}
    assert not any(PIPELINE in name for name in chart.bars)
    assert f"{PIPELINE}, batch 1: one call, without stages" in chart.alt()
    texts = {text.get_text() for text in chart.draw().axes[0].texts}
    assert "one call, without stages" in texts
