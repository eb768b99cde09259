"""A cell keeps its identity when words change and when choices are added later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sd_bench.execution import cell as cells
from sd_bench.execution.cell import CellKey, cell_hash
from sd_bench.execution.sweep_folder import CLAIM, claimed
from tests.support.composition import Compose

#: Hashes that cells had in November 2026, before any word of the configuration was renamed.
FIRST_HASHES = {
    "gpu=a100": "e9b7b4925e80f85a",
    "gpu=cpu allocator=default protocol.worker=spawn model_version=sd1 attention=math batch_size=4 "
    "compile=default precision=bf16": "87b15f9d815898f4",
    "gpu=h100 model_version=sd2_768 sampler=ddim attention=auto attention.disable_flash=true "
    "workload.seed=7 negative_prompt=blurry": "f52e8a94e3c8263f",
    "gpu=cpu allocator=default protocol.worker=spawn preset=original_no_xformers_pt2 "
    "workload.guidance_scale=5": "f009af590ccca550",
    "gpu=v100 model_version=sd1 preset=original_xformers batch_size=4 sampler=ddim": (
        "8c74f63f21b5a56d"
    ),
}


@pytest.mark.parametrize("overrides", FIRST_HASHES)
def test_a_cell_is_what_it_was(compose_config: Compose, overrides: str) -> None:
    assert cell_hash(compose_config(*overrides.split())) == FIRST_HASHES[overrides]


def test_a_choice_that_came_later_counts_where_it_is_not_at_its_default(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``eta`` stands in for a choice that an older version did not have."""
    monkeypatch.setattr(cells, "_LATER", {"sampler": {"eta": 0.0}})
    without = cell_hash(compose_config("gpu=a100", "sampler=ddim"))
    assert cell_hash(compose_config("gpu=a100", "sampler=ddim", "sampler.eta=0.5")) != without
    monkeypatch.setattr(cells, "_LATER", {})
    assert cell_hash(compose_config("gpu=a100", "sampler=ddim")) != without


@pytest.mark.parametrize(
    ("stored", "preset"),
    [
        ({"hash": "ab", "configuration": None}, None),
        ({"hash": "ab", "configuration": "original"}, "original_xformers"),
        ({"hash": "ab", "configuration": "original_pt2 with torch_env=original"},
         "original_xformers_pt2 with torch_env=original"),
        ({"hash": "ab", "preset": "optimized"}, "optimized"),
    ],
)  # fmt: skip
def test_a_folder_claimed_in_old_words_is_found(
    tmp_path: Path, stored: dict[str, str | None], preset: str | None
) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / CLAIM).write_text(json.dumps(stored))
    assert claimed(tmp_path) == {CellKey("ab", preset): [tmp_path / "0"]}
