"""The tables of implementations, and their CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.comparison.peers import find_peers
from analysis.tables.files import write_tables
from analysis.tables.page import Table
from analysis.tables.peers import make_peers_page, make_short_table
from tests.support.peers import write_peers
from tests.support.records import write_main_sweep


def rows(table: Table) -> dict[str, dict[str, str]]:
    return {row[0]: dict(zip(table.headings, row, strict=True)) for row in table.rows}


def tables(root: Path) -> list[Table]:
    peers = find_peers(summarise(load_records(root)))
    assert peers is not None
    return make_peers_page(peers).tables


def test_whole_iterations_say_against_what_and_what_compiling_took(tmp_path: Path) -> None:
    whole, _, _ = map(rows, tables(write_peers(tmp_path)))
    compiled = whole["diffusers, compile default, channels_last + freezing"]
    assert compiled["verdict"] == "faster"
    assert compiled["speed-up"].startswith("2.0")
    assert compiled["against"] == "sd_bench, compile default, channels_last + freezing"
    assert compiled["compile or convert, cold [s]"] == "60.00"
    assert compiled["warm [s]"] == "10.00"
    assert whole["openvino"]["compile or convert, cold [s]"] == "34.00"
    assert whole["sd_bench"]["verdict"] == "baseline"
    assert whole["sd_bench"]["against"] == whole["sd_bench"]["warm [s]"] == "-"


def test_one_call_has_no_stages_in_any_table(tmp_path: Path) -> None:
    whole, stages, _ = map(rows, tables(write_peers(tmp_path)))
    assert whole["diffusers_pipeline"]["note"] == "one call, without stages"
    of_pipeline = stages["diffusers_pipeline"]
    assert of_pipeline["iteration [s]"] == "8.02"
    names = ("text encoder [s]", "denoising [s]", "autoencoder [s]")
    assert [of_pipeline[name] for name in names] == ["-", "-", "-"]


def test_stages_have_their_verdicts(tmp_path: Path) -> None:
    _, stages, _ = map(rows, tables(write_peers(tmp_path)))
    assert stages["openvino"]["denoising [s]"].startswith("1.00 (2.4")
    assert stages["openvino"]["denoising [s]"].endswith("x faster)")
    assert stages["openvino"]["text encoder [s]"].endswith("x slower)")
    assert stages["sd_bench"]["denoising [s]"] == "2.41"


def test_nothing_is_claimed_of_what_draws_another_picture(tmp_path: Path) -> None:
    whole, stages, best = map(rows, tables(write_peers(tmp_path, changes={"openvino": 0.5})))
    for table in (whole, best):
        assert table["openvino"]["verdict"] == "no claim"
        assert table["openvino"]["speed-up"] == "-"
    assert stages["openvino"]["denoising [s]"] == "1.00"


def test_the_short_table_has_five_columns(tmp_path: Path) -> None:
    peers = find_peers(summarise(load_records(write_peers(tmp_path))))
    assert peers is not None
    assert make_short_table(peers).headings == [
        *("cell", "iteration [s]", "verdict", "speed-up", "95 % interval", "against"),
    ]


@pytest.mark.parametrize("has_peers", [True, False])
def test_files_of_peers_are_written_where_there_are_any(tmp_path: Path, has_peers: bool) -> None:
    sweep = tmp_path / "sweep"
    root = write_peers(sweep) if has_peers else write_main_sweep(sweep)
    rounds = load_records(root)
    cells = summarise(rounds)
    written = write_tables(
        compare(cells), list_environments(rounds), compare_by_axis(cells), tmp_path
    )
    assert (tmp_path / "peers.csv" in written) == has_peers
    if has_peers:
        with (tmp_path / "peers.csv").open() as stream:
            by_name = {row["series"]: row for row in csv.DictReader(stream)}
        pipeline = by_name["diffusers_pipeline"]
        assert pipeline["denoise_s"] == pipeline["denoise_s_speedup"] == ""
        assert float(by_name["openvino"]["denoise_s_speedup"]) == pytest.approx(2.4)
