"""Names of earlier versions: what they are called now, and records that contain them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from sd_bench.records import Flops, read_record
from sd_bench.records.old_names import rename_presets, rename_setting
from tests.support.records import sample_record


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("original", "original_xformers"),
        ("original_pt2", "original_xformers_pt2"),
        ("original,optimized", "original_xformers,optimized"),
        ("original with compile=default", "original_xformers with compile=default"),
        ("original_no_xformers with attention=original, torch_env=original",
         "original_no_xformers with attention=original, torch_env=original"),
        ("original_xformers", "original_xformers"),
        ("original_no_xformers_pt2", "original_no_xformers_pt2"),
        ("my_original", "my_original"),
    ],
)  # fmt: skip
def test_presets_bear_their_present_names(old: str, new: str) -> None:
    assert rename_presets(old) == new
    assert rename_presets(new) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("configuration", "preset"),
        ("configuration.name", "preset.name"),
        ("plan", "dry_run"),
        ("workload.guidance", "workload.guidance_scale"),
        ("workload.guidance_scale", "workload.guidance_scale"),
        ("planned", "planned"),
        ("gpu", "gpu"),
    ],
)
def test_settings_bear_their_present_names(old: str, new: str) -> None:
    assert rename_setting(old) == new


def in_the_words_of_version_2(record: Any) -> dict[str, Any]:
    data = msgspec.to_builtins(record)
    data["schema_version"] = 2
    data["work"] = data.pop("flops")
    data["choices"]["configuration"] = {"original_xformers": "original"}[
        data["choices"].pop("preset")
    ]
    data["config"] = {
        "configuration": {"name": "original", "bundle": {}},
        "plan": False,
        "workload": {"guidance": 9.0, "batch_size": 1},
        "model_version": {"guidance": 9.0, "unet": {"num_heads": 8}},
    }
    for name in ("warmup", "iterations"):
        for iteration in data["times"][name]:
            iteration["marks"] = iteration.pop("flags")
    return data


def test_a_record_of_version_2_reads_as_one_of_today(tmp_path: Path) -> None:
    flops = Flops(unet_call=1e12, text_encode=1e9, vae_decode=1e11, iteration=5e13)
    record = structs.replace(sample_record(1.0, preset="original_xformers"), flops=flops)
    assert record.times is not None
    record.times.iterations[0].flags.append("throttled: sw_power_cap")
    path = tmp_path / "round-0.json"
    path.write_text(json.dumps(in_the_words_of_version_2(record)))
    read = read_record(path)
    assert read.config == {
        "preset": {"name": "original_xformers", "bundle": {}},
        "dry_run": False,
        "workload": {"guidance_scale": 9.0, "batch_size": 1},
        "model_version": {"guidance_scale": 9.0, "unet": {"num_heads": 8}},
    }
    assert structs.replace(read, config=record.config) == record
