"""Rounds to cells, with numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from analysis import load_records, summarise
from tests.support.records import (
    sample_environment,
    sample_record,
    write_main_sweep,
    write_sample,
    write_sweep,
)


def cells_of(root: Path) -> list[dict[Any, Any]]:
    return summarise(load_records(root)).to_dict("records")


def one_cell(root: Path) -> dict[Any, Any]:
    (cell,) = cells_of(root)
    return cell


def test_mean_spread_and_interval_of_two_rounds(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(2, "flash"): [4.0, 4.4]})
    cell = one_cell(tmp_path)
    assert cell["rounds"] == 2
    assert cell["mean_s"] == pytest.approx(4.2)
    assert cell["sd_s"] == pytest.approx(0.4 / math.sqrt(2))
    assert cell["ci_low_s"] == pytest.approx(4.2 - 12.7062 * 0.2, abs=1e-4)
    assert cell["ci_high_s"] == pytest.approx(4.2 + 12.7062 * 0.2, abs=1e-4)


def test_images_per_second_count_all_images_of_a_round(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(3.0, 5.0, batch_size=4, n_iter=2))
    assert one_cell(tmp_path)["images_per_s"] == 1.0


def test_images_per_second_are_unknown_without_a_batch_size(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(3.0, batch_size="many"))
    assert math.isnan(one_cell(tmp_path)["images_per_s"])


def test_rounds_of_two_sweeps_in_one_environment_pool(tmp_path: Path) -> None:
    for sweep, runtime_s in (("s1", 2.0), ("s2", 4.0)):
        write_sample(tmp_path, sample_record(runtime_s, sweep=sweep))
    cell = one_cell(tmp_path)
    assert (cell["rounds"], cell["mean_s"]) == (2, 3.0)
    assert cell["sweeps"] == ("s1", "s2")


def test_rounds_of_two_environments_are_never_averaged(tmp_path: Path) -> None:
    for sweep, fingerprint, runtime_s in (("s1", "aaa", 2.0), ("s2", "bbb", 4.0)):
        environment = sample_environment(fingerprint)
        write_sample(tmp_path, sample_record(runtime_s, sweep=sweep, environment=environment))
    assert [(c["env"], c["mean_s"]) for c in cells_of(tmp_path)] == [
        ("EPYC (1)", 2.0),
        ("EPYC (2)", 4.0),
    ]


def test_cells_that_differ_only_in_their_hash_stay_apart(tmp_path: Path) -> None:
    for sweep, cell_hash in (("s1", "a" * 16), ("s2", "b" * 16)):
        write_sample(tmp_path, sample_record(2.0, sweep=sweep, cell_hash=cell_hash))
    assert [cell["rounds"] for cell in cells_of(tmp_path)] == [1, 1]


def test_an_unsupported_cell_keeps_its_row_and_reason(tmp_path: Path) -> None:
    for round_index in range(2):
        write_sample(
            tmp_path,
            sample_record(
                status="unsupported", reason="needs capability 8.0", round_index=round_index
            ),
        )
    cell = one_cell(tmp_path)
    assert cell["status"] == "unsupported"
    assert cell["reason"] == "unsupported: needs capability 8.0"
    assert (cell["rounds"], cell["rounds_without_times"]) == (0, 2)
    assert math.isnan(cell["mean_s"])


def test_a_reason_that_names_its_status_is_not_doubled(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(status="oom", reason="OOM: 12 GiB asked for"))
    assert one_cell(tmp_path)["reason"] == "OOM: 12 GiB asked for"


def test_a_crashed_round_leaves_the_others_and_is_reported(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "flash"): [2.0, 3.0]})
    write_sample(tmp_path, sample_record(status="crashed", reason="signal 9", round_index=2))
    cell = one_cell(tmp_path)
    assert (cell["status"], cell["rounds"], cell["mean_s"]) == ("ok", 2, 2.5)
    assert cell["reason"] == "1 of 3 rounds crashed: signal 9"


def test_reasons_that_differ_in_their_numbers_are_one_and_the_whole_text_is_kept(
    tmp_path: Path,
) -> None:
    write_sweep(tmp_path, {(1, "flash"): [2.0]})
    for index in (1, 2):
        reason = f"process {index}00 has {index}.25 GiB " + "in use " * 50
        write_sample(tmp_path, sample_record(status="oom", reason=reason, round_index=index))
    cell = one_cell(tmp_path)
    assert cell["reason"].startswith("2 of 3 rounds oom: process … has … GiB in use in use")
    assert len(cell["reason"]) < 200
    assert "process 100 has 1.25 GiB" in cell["full_reason"]
    assert "process 200 has 2.25 GiB" in cell["full_reason"]
    assert len(cell["full_reason"]) > 700


@pytest.mark.parametrize(
    ("proofs", "expected"),
    [
        ([True, None], "proven"),
        ([True, False], "missed"),
        ([None, None], "none"),
    ],
)
def test_one_unproven_round_makes_the_cell_unproven(
    tmp_path: Path, proofs: list[bool | None], expected: str
) -> None:
    for round_index, proven in enumerate(proofs):
        write_sample(tmp_path, sample_record(1.0, proven=proven, round_index=round_index))
    assert one_cell(tmp_path)["kernel_proof"] == expected


def test_latents_are_those_of_round_0(tmp_path: Path) -> None:
    for round_index in (0, 1):
        record = sample_record(
            1.0, round_index=round_index, latents_file=f"latents-{round_index}.npy"
        )
        write_sample(tmp_path, record)
    assert one_cell(tmp_path)["latents_path"].endswith("latents-0.npy")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (sample_record(1.0, round_index=1), "no round 0"),
        (sample_record(1.0, latents_file=None), "latents not kept"),
        (sample_record(status="crashed", reason="x"), "round 0 crashed"),
    ],
    ids=["no-round-0", "not-kept", "crashed"],
)
def test_missing_latents_have_a_reason(tmp_path: Path, record: Any, reason: str) -> None:
    write_sample(tmp_path, record)
    cell = one_cell(tmp_path)
    assert cell["latents_path"] is None
    assert cell["latents_reason"] == reason


def test_cells_are_in_display_order(tmp_path: Path) -> None:
    cells = cells_of(write_main_sweep(tmp_path))
    assert [(cell["batch_size"], cell["attention"]) for cell in cells] == [
        (1, "math"),
        (1, "flash"),
        (2, "math"),
        (2, "flash"),
        (4, "math"),
        (4, "flash"),
    ]


def test_what_was_scaled_is_kept_once(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "flash"): [1.0, 2.0]}, scaled=["4 steps", "128x128"])
    assert one_cell(tmp_path)["scaled"] == ("4 steps", "128x128")
