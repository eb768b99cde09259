"""Records to rounds: what is read, what is left out, and how odd records are handled."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import AnalysisError, load_records
from tests.support.records import sample_environment, sample_record, write_main_sweep, write_sample


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def load_one(root: Path) -> dict[Any, Any]:
    (row,) = load_records(root).to_dict("records")
    return row


def test_a_round_is_one_row_with_its_choices_and_environment(tmp_path: Path) -> None:
    record = sample_record(1.5, attention="math", batch_size=4, round_index=3)
    path = write_sample(tmp_path, record)
    row = load_one(tmp_path)
    assert row["attention"] == "math"
    assert row["batch_size"] == 4
    assert row["preset"] is None
    assert row["round"] == 3
    assert row["status"] == "ok"
    assert row["kernel_proof"] == "proven"
    assert row["proof_detail"] == "32 of 32 attention modules"
    assert row["fingerprint"] == "f00d"
    assert row["torch"] == "2.15.0"
    assert row["device"] == "AMD EPYC"
    assert row["commit"] == "0123456789"
    assert row["latents_path"] == str(path.parent / "latents-0.npy")


def test_runtime_is_the_sum_of_the_timed_iterations_without_the_warm_up(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.5, 2.25, n_iter=2))
    assert load_one(tmp_path)["runtime_s"] == 3.75


def test_every_record_below_a_folder_is_read(tmp_path: Path) -> None:
    assert len(load_records(write_main_sweep(tmp_path))) == 12


def test_a_folder_inside_of_another_is_not_read_twice(tmp_path: Path) -> None:
    write_main_sweep(tmp_path / "sweeps")
    (tmp_path / "other").mkdir()
    other_way = tmp_path / "other" / ".." / "sweeps" / "2026-11-23"
    left_out: list[str] = []
    assert len(load_records(tmp_path, other_way, on_left_out=left_out.append)) == 12
    assert left_out == []


def test_a_copy_of_a_round_is_named_and_left_out(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", sample_record(1.0))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    left_out: list[str] = []
    rounds = load_records(tmp_path, on_left_out=left_out.append)
    assert list(rounds["path"]) == [str(p) for p in (tmp_path / "a").rglob("round-0.json")]
    assert len(left_out) == 1
    assert str(tmp_path / "b") in left_out[0]
    assert "the same round as" in left_out[0]


def without_upcast(path: Path) -> None:
    """Make a record like old ones, without what attention computed in."""
    choices = json.loads(path.read_text())["choices"]
    del choices["upcast"]
    edit(path, choices=choices)


def test_a_record_from_before_upcast_was_a_choice_does_not_say_it(tmp_path: Path) -> None:
    without_upcast(write_sample(tmp_path, sample_record(1.0)))
    assert load_one(tmp_path)["upcast"] is None


def test_older_rounds_of_a_cell_have_the_upcast_of_the_newer_ones(tmp_path: Path) -> None:
    without_upcast(write_sample(tmp_path, sample_record(1.0)))
    write_sample(tmp_path, sample_record(1.0, round_index=1))
    assert list(load_records(tmp_path)["upcast"]) == ["default", "default"]


def test_a_sweep_is_known_by_its_real_folder(tmp_path: Path) -> None:
    write_sample(tmp_path / "real", sample_record(1.0, sweep="out/sweep"))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (row,) = load_records(tmp_path / "link").to_dict("records")
    assert row["sweep"] == "out/sweep"
    assert row["sweep_folder"] == str(tmp_path / "real" / "out" / "sweep")


def test_a_record_that_was_moved_from_its_jobs_folder_stands_alone(tmp_path: Path) -> None:
    path = write_sample(tmp_path, sample_record(1.0))
    (tmp_path / "by hand").mkdir()
    path.rename(tmp_path / "by hand" / path.name)
    assert load_one(tmp_path)["sweep_folder"] == str(tmp_path / "by hand")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"schema_version": 1, "stat', "not readable as JSON"),
        ("", "not readable as JSON"),
        ('{"loss": 0.5}', "not a record"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "missing required field `status`"),
        ("[1, 2]", "not a record"),
        ('{"schema_version": 1, "round": ' + "9" * 5000 + "}", "round-7.json"),
        ("[" * 100_000, "round-7.json"),
    ],
    ids=["torn", "empty", "foreign", "newer", "incomplete", "list", "long-number", "deep"],
)
def test_a_bad_record_is_named_and_the_rest_is_read(tmp_path: Path, text: str, reason: str) -> None:
    write_main_sweep(tmp_path)
    (tmp_path / "round-7.json").write_text(text)
    left_out: list[str] = []
    assert len(load_records(tmp_path, on_left_out=left_out.append)) == 12
    assert len(left_out) == 1
    assert str(tmp_path / "round-7.json") in left_out[0]
    assert reason in left_out[0]
    assert "\n" not in left_out[0]


def test_an_integer_too_large_for_a_float_is_a_bad_record(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    path = write_sample(tmp_path, sample_record(1.0, attention="xformers"))
    times = json.loads(path.read_text())["times"] | {"import_s": 10**400}
    edit(path, times=times)
    left_out: list[str] = []
    assert len(load_records(tmp_path, on_left_out=left_out.append)) == 12
    assert str(path) in left_out[0]


def test_without_a_listener_a_bad_record_is_a_warning(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    (tmp_path / "round-7.json").write_text("{")
    with pytest.warns(UserWarning, match=r"round-7\.json"):
        load_records(tmp_path)


def test_other_files_are_not_read(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    (tmp_path / "summary.json").write_text("{")
    assert len(load_records(tmp_path)) == 12


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"no folder .*nowhere.*: name a sweep's folder"):
        load_records(tmp_path / "nowhere")


def test_a_folder_without_a_record_is_named(tmp_path: Path) -> None:
    write_main_sweep(tmp_path / "full")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AnalysisError, match=r"no record .* below .*empty"):
        load_records(tmp_path / "full", tmp_path / "empty")


def test_no_usable_record_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "round-0.json").write_text("{")
    with pytest.raises(AnalysisError, match="no usable record"):
        load_records(tmp_path, on_left_out=lambda reason: None)


def test_a_failed_round_keeps_its_reason_and_has_no_runtime(tmp_path: Path) -> None:
    reason = "needs\n capability 8.0"
    write_sample(tmp_path, sample_record(status="unsupported", reason=reason))
    row = load_one(tmp_path)
    assert (row["status"], row["reason"]) == ("unsupported", "needs capability 8.0")
    assert row["runtime_s"] != row["runtime_s"]
    assert row["latents_path"] is None


@pytest.mark.parametrize("total_s", ["-1.0", "0.0", "1e300"])
def test_an_unbelievable_runtime_is_invalid(tmp_path: Path, total_s: str) -> None:
    path = write_sample(tmp_path, sample_record(123.25))
    path.write_text(path.read_text().replace('"total_s": 123.25', f'"total_s": {total_s}'))
    row = load_one(tmp_path)
    assert row["status"] == "invalid"
    assert "a runtime of" in row["reason"]


def test_an_ok_record_without_times_is_invalid(tmp_path: Path) -> None:
    edit(write_sample(tmp_path, sample_record(1.0)), times=None)
    row = load_one(tmp_path)
    assert (row["status"], row["reason"]) == ("invalid", "the record says ok but has no times")


def test_missing_environment_keys_are_unknown(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0, environment={"device": None, "project": "mine"}))
    row = load_one(tmp_path)
    unknown = [row[name] for name in ("torch", "python", "device", "commit")]
    assert unknown == ["unknown"] * 4


def test_without_a_fingerprint_every_sweep_is_its_own_environment(tmp_path: Path) -> None:
    for sweep in ("first", "second"):
        write_sample(tmp_path, sample_record(1.0, environment={}, sweep=sweep))
    rounds = load_records(tmp_path)
    assert list(rounds["fingerprint"]) == ["unknown, sweep first", "unknown, sweep second"]
    assert rounds["env"].nunique() == 2


def test_a_changed_working_tree_is_reported(tmp_path: Path) -> None:
    environment = sample_environment() | {"project": {"git_commit": "abc", "dirty": True}}
    write_sample(tmp_path, sample_record(1.0, environment=environment))
    assert load_one(tmp_path)["commit"] == "abc (changed)"


def test_missing_and_odd_choices_are_not_errors(tmp_path: Path) -> None:
    path = write_sample(tmp_path, sample_record(1.0))
    edit(path, choices={"batch_size": [1, 2], "attention": {"backend": None}, "steps": 10**40})
    row = load_one(tmp_path)
    assert row["gpu"] == "unknown"
    assert row["batch_size"] == "[1, 2]"
    assert row["attention"] == "{'backend': None}"
    assert row["precision"] is None


WORK = {"unet_call": 1e12, "text_encode": 0.0, "vae_decode": 0.0, "iteration": 4e12}
PROFILE = {"trace_file": None, "step_s": 1.0, "seconds_by_class": {"gemm": 1.0, "idle": 0.5}}


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (("times", "iterations", 0, "total_s"), -1.0, "total_s is -1"),
        (("times", "iterations", 0, "total_s"), 0.0, "total_s is 0"),
        (("times", "iterations", 1, "denoise_s"), float("inf"), '"denoise_s":)'),
        (("times", "iterations", 1, "vae_decode_s"), float("nan"), '"vae_decode_s":)'),
        (("times", "iterations", 0, "steps_s", 2), float("nan"), "not readable as JSON"),
        (("times", "iterations", 0, "steps_s", 2), -0.1, "a step of steps_s is -0.1"),
        (("times", "first_call_s"), float("inf"), '"first_call_s":)'),
        (("memory", "process_peak_bytes"), -5, "memory.process_peak_bytes is -5"),
        (("flops", "iteration"), 0.0, "flops.iteration is 0"),
        (("flops", "unet_call"), float("inf"), '"unet_call":)'),
        (("profile", "seconds_by_class", "gemm"), -1.0, "profile.seconds_by_class.gemm is -1"),
        (("choices", "batch_size"), 0, "choices.batch_size is 0"),
    ],
)
def test_a_record_with_an_impossible_number_is_left_out(
    tmp_path: Path, place: tuple[str | int, ...], value: float, expected: str
) -> None:
    write_main_sweep(tmp_path)
    path = write_sample(tmp_path, sample_record(1.0, 2.0, attention="xformers", n_iter=2))
    data = json.loads(path.read_text()) | copy.deepcopy({"flops": WORK, "profile": PROFILE})
    *parents, last = place
    inner = data
    for key in parents:
        inner = inner[key]
    inner[last] = value
    path.write_text(json.dumps(data))
    left_out: list[str] = []
    assert len(load_records(tmp_path, on_left_out=left_out.append)) == 12
    assert left_out == [f"{path}: {left_out[0].partition(': ')[2]}"]
    assert expected in left_out[0]


def test_a_failed_record_is_not_held_to_its_numbers(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(status="unsupported", reason="batch", batch_size=-4))
    assert load_one(tmp_path)["reason"] == "batch"


@pytest.mark.slow
def test_many_records_are_read_by_several_processes_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.ingest.rounds._WORTH_PROCESSES", 2)
    monkeypatch.setattr("analysis.ingest.rounds._AT_ONCE", 3)
    write_main_sweep(tmp_path)
    copied = write_sample(tmp_path, sample_record(2.0, attention="cudnn"))
    (copied.parent / "copy").mkdir()
    (copied.parent / "copy" / copied.name).write_bytes(copied.read_bytes())
    (copied.parent / "round-7.json").write_text("{", encoding="utf-8")
    left_out: dict[int, list[str]] = {1: [], 2: []}
    alone, shared = (
        load_records(tmp_path, on_left_out=left_out[count].append, processes=count)
        for count in (1, 2)
    )
    pd.testing.assert_frame_equal(alone, shared)
    assert left_out[1] == left_out[2]
    assert len(left_out[1]) == 2


def test_watch_gets_every_file_and_passes_it_on(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    seen: list[Path] = []

    def watch(paths: Sequence[Path]) -> Iterator[Path]:
        for path in paths:
            seen.append(path)
            yield path

    assert len(load_records(tmp_path, watch=watch)) == len(seen) == 12
