"""Comparing implementations: which cells are compared, stages, and the best of each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from analysis import load_records, summarise
from analysis.comparison.peers import Peers, add_stages, find_peers
from analysis.comparison.rows import DeltaRow
from analysis.rows import list_rows
from tests.support.peers import CELLS, write_peers
from tests.support.records import write_main_sweep

COMPILED = ", compile default, channels_last + freezing"


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    found = find_peers(summarise(load_records(write_peers(tmp_path_factory.mktemp("peers")))))
    assert found is not None
    return found


def by_series(peers: Peers) -> dict[str, dict[Any, Any]]:
    return {str(row["series"]): row for row in add_stages(peers).to_dict("records")}


def test_one_implementation_has_no_peers(tmp_path: Path) -> None:
    assert find_peers(summarise(load_records(write_main_sweep(tmp_path)))) is None


def test_cells_are_named_by_what_is_on(peers: Peers) -> None:
    assert [*by_series(peers)] == [
        "sd_bench",
        f"sd_bench{COMPILED}",
        "diffusers",
        f"diffusers{COMPILED}",
        "diffusers_documented, compile max_autotune, channels_last + fused_projections",
        "diffusers_pipeline",
        "openvino",
    ]


def test_each_is_compared_with_the_most_similar_cell_of_the_reference(peers: Peers) -> None:
    rows = by_series(peers)
    eager, compiled = rows["sd_bench"], rows[f"sd_bench{COMPILED}"]
    names = {f"{row['env']} {row['cell_hash']}": name for name, row in rows.items()}
    against = {name: names[str(row["baseline_cell"])] for name, row in rows.items()}
    assert eager["is_baseline"]
    assert compiled["is_baseline"]
    assert against["diffusers"] == against["diffusers_pipeline"] == "sd_bench"
    assert against["openvino"] == "sd_bench"
    assert against[f"diffusers{COMPILED}"] == f"sd_bench{COMPILED}"
    assert against[[*rows][4]] == f"sd_bench{COMPILED}"  # as documented: compiled another way


def test_a_stage_has_its_own_verdict(peers: Peers) -> None:
    row = by_series(peers)["openvino"]
    assert row["speedup"] == pytest.approx(1.6)
    assert (row["verdict"], row["denoise_s_verdict"]) == ("faster", "faster")
    assert row["denoise_s_speedup"] == pytest.approx(2.4)
    assert row["text_encode_s_speedup"] == pytest.approx(0.8)
    assert row["text_encode_s_verdict"] == "slower"


def test_a_single_call_has_no_stages(peers: Peers) -> None:
    row = by_series(peers)["diffusers_pipeline"]
    assert row["verdict"] == "slower"
    assert isinstance(row["denoise_s_speedup"], float)
    assert math.isnan(row["denoise_s_speedup"])
    assert row["denoise_s_verdict"] == ""


def test_stages_are_judged_as_one_family(peers: Peers) -> None:
    """Four peers have three stages each; the cells of the reference are not compared."""
    levels = {
        difference.judgement.level
        for differences in peers.stages
        for difference in differences.values()
        if difference.judgement is not None
    }
    whole = set(peers.deltas.loc[peers.deltas["method"] != "", "level"])
    assert sum(map(len, peers.stages)) == 12
    assert max(levels) < min(whole)


def test_the_best_of_each_is_compared_with_the_best_of_the_reference(peers: Peers) -> None:
    rows = {str(row["implementation"]): row for row in list_rows(peers.best, DeltaRow)}
    assert rows["sd_bench"]["series"] == f"sd_bench{COMPILED}"
    assert rows["sd_bench"]["is_baseline"]
    assert rows["diffusers"]["speedup"] == pytest.approx(2.0)
    assert rows["openvino"]["speedup"] == pytest.approx(0.8)
    assert rows["openvino"]["verdict"] == "slower"
    assert rows["openvino"]["parity_ok"]
    assert len(rows) == len({cell.implementation for cell in CELLS})


def test_a_best_that_draws_another_picture_is_not_at_parity(tmp_path: Path) -> None:
    root = write_peers(tmp_path, changes={"diffusers": 0.5})
    peers = find_peers(summarise(load_records(root)))
    assert peers is not None
    rows = {str(row["implementation"]): row for row in list_rows(peers.best, DeltaRow)}
    assert not rows["diffusers"]["parity_ok"]


def test_the_time_to_get_ready_is_cold_or_warm(peers: Peers) -> None:
    rows = by_series(peers)
    ready = {n: (row["ready_cold_s"], row["ready_warm_s"]) for n, row in rows.items()}
    assert ready[f"sd_bench{COMPILED}"] == (60.0, 10.0)
    assert ready["openvino"] == (34.0, 4.5)
    assert all(math.isnan(s) for s in ready["sd_bench"] if isinstance(s, float))
