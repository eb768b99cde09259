"""Keeping a sweep of peers: its records, the latents that parity needs, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import load_records, summarise
from analysis.comparison.peers import find_peers
from benchmarks.keep_records import without_paths
from benchmarks.publish_peers import keep
from tests.support.peers import CELLS, write_peers
from tests.support.records import write_main_sweep


def test_records_and_first_latents_replace_what_was_there(tmp_path: Path) -> None:
    sweep, kept = write_peers(tmp_path / "sweep"), tmp_path / "kept"
    (sweep / "multirun.yaml").write_text("a path of this machine")
    kept.mkdir()
    (kept / "round-9.json").write_text("of an earlier sweep")
    keep(sweep, kept)
    files = [path for path in kept.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {
        *(f"round-{number}.json" for number in range(8)),
        *("latents-0.npy", "README.md"),
    }
    assert len([path for path in files if path.suffix == ".npy"]) == len(CELLS)
    before, after = (find_peers(summarise(load_records(folder))) for folder in (sweep, kept))
    assert before is not None
    assert after is not None
    assert list(after.deltas["parity"]) == list(before.deltas["parity"])
    assert "Measured on AMD EPYC" in (kept / "README.md").read_text()


def test_no_path_of_the_machine_is_kept() -> None:
    environment = {"interpreter": "/home/me/venv/bin/python", "host": {"paths": ["/a/b", "b/c"]}}
    assert without_paths(environment) == {
        "interpreter": "python",
        "host": {"paths": ["b", "b/c"]},
    }


def test_a_sweep_of_one_implementation_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "round-9.json").write_text("of an earlier sweep")
    with pytest.raises(SystemExit, match="holds one implementation only"):
        keep(write_main_sweep(tmp_path / "sweep"), tmp_path / "kept")
    assert (tmp_path / "kept" / "round-9.json").is_file()


def test_a_path_inside_a_text_loses_its_folders_and_nothing_else_does() -> None:
    built = "CXX_COMPILER=/opt/some/where/bin/c++, see https://example.org/a/b, 1/2, -I/a.b/c"
    kept = "CXX_COMPILER=c++, see https://example.org/a/b, 1/2, -I/a.b/c"
    assert without_paths({"torch_build": built}) == {"torch_build": kept}
