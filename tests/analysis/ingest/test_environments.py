"""Which rounds may be averaged, and which environments share a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import list_environments, load_records
from sd_bench.records import Status
from tests.support.records import sample_environment, sample_record, write_sample


def write(root: Path, sweep: str, torch_env: str, fingerprint: str, **choices: Any) -> None:
    device = choices.pop("device", "NVIDIA A100")
    torch = "1.12.1" if torch_env == "original" else "2.15.0"
    environment = sample_environment(fingerprint, device, torch)
    fixed = {"gpu": "a100", "torch_env": torch_env}
    write_sample(
        root, sample_record(1.0, sweep=sweep, environment=environment, **(fixed | choices))
    )


def machines(root: Path) -> dict[str, str]:
    rounds = load_records(root)
    return dict(zip(rounds["fingerprint"], rounds["machine"], strict=True))


def test_each_fingerprint_is_an_environment(tmp_path: Path) -> None:
    write(tmp_path, "s1", "current", "aaa")
    write(tmp_path, "s2", "current", "bbb")
    write(tmp_path, "s3", "current", "aaa")
    rounds = load_records(tmp_path)
    assert list(rounds["env"]) == ["A100 (1)", "A100 (2)", "A100 (1)"]
    assert list(rounds["env_number"]) == [0, 1, 0]


def test_two_torch_versions_of_one_gpu_share_a_machine(tmp_path: Path) -> None:
    write(tmp_path, "s1", "original", "aaa")
    write(tmp_path, "s2", "optimized", "bbb")
    assert machines(tmp_path) == {"aaa": "A100", "bbb": "A100"}
    assert list(load_records(tmp_path)["env"]) == ["A100, PyTorch 1.12.1", "A100, PyTorch 2.15.0"]


def test_the_same_torch_env_twice_makes_two_machines(tmp_path: Path) -> None:
    write(tmp_path, "s1", "current", "aaa")
    write(tmp_path, "s2", "current", "bbb")
    assert machines(tmp_path) == {"aaa": "A100 (1)", "bbb": "A100 (2)"}


def test_environments_that_met_in_a_sweep_stay_together(tmp_path: Path) -> None:
    for sweep, name in (("s1", "first"), ("s2", "second")):
        write(tmp_path, sweep, "original", f"{name} 1.12")
        write(tmp_path, sweep, "optimized", f"{name} 2.x")
    assert machines(tmp_path) == {
        "first 1.12": "A100 (1)",
        "first 2.x": "A100 (1)",
        "second 1.12": "A100 (2)",
        "second 2.x": "A100 (2)",
    }
    assert set(load_records(tmp_path)["env"]) == {
        f"A100 ({number}), PyTorch {version}"
        for number in (1, 2)
        for version in ("1.12.1", "2.15.0")
    }


def test_sweeps_of_one_name_in_two_places_are_two_sweeps(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write(tmp_path / name, "out/sweep", "original", f"{name} 1.12")
        write(tmp_path / name, "out/sweep", "optimized", f"{name} 2.x")
    assert set(machines(tmp_path).values()) == {"A100 (1)", "A100 (2)"}


def test_without_a_fingerprint_sweeps_of_one_name_are_two_environments(tmp_path: Path) -> None:
    for name in ("first", "second"):
        record = sample_record(1.0, environment={}, started_at=name)
        write_sample(tmp_path / name, record)
    assert list(load_records(tmp_path)["env"]) == ["CPU (1)", "CPU (2)"]


def test_two_devices_under_one_gpu_name_are_two_machines(tmp_path: Path) -> None:
    write(tmp_path, "s1", "original", "aaa", device="NVIDIA A100 40GB")
    write(tmp_path, "s2", "optimized", "bbb", device="NVIDIA A100 80GB")
    assert set(machines(tmp_path).values()) == {"A100 40GB", "A100 80GB"}


def write_unsupported(root: Path, sweep: str, **choices: Any) -> None:
    """A cell that never began: its record has no environment."""
    record = sample_record(
        status="unsupported", reason="not here", sweep=sweep, environment={}, **choices
    )
    write_sample(root, record)


def test_a_round_that_could_not_begin_stays_with_its_sweep(tmp_path: Path) -> None:
    write(tmp_path, "s1", "optimized", "aaa")
    write(tmp_path, "s2", "optimized", "bbb")
    write_unsupported(tmp_path, "s2", gpu="a100", torch_env="original")
    assert machines(tmp_path) == {
        "aaa": "A100 (1)",
        "bbb": "A100 (2)",
        "unknown, sweep s2": "A100 (2)",
    }


def test_rounds_that_ran_nowhere_are_not_a_separate_environment(tmp_path: Path) -> None:
    write(tmp_path, "s1", "optimized", "aaa")
    write_unsupported(tmp_path, "s1", gpu="a100", torch_env="optimized", attention="cudnn")
    write_unsupported(tmp_path, "s2", gpu="a100", torch_env="optimized", attention="xformers")
    (row,) = list_environments(load_records(tmp_path)).to_dict("records")
    assert (row["env"], row["device"], row["fingerprint"]) == ("A100", "NVIDIA A100", "aaa")
    assert (row["cells"], row["rounds"]) == (1, 1)


def test_where_nothing_ran_at_all_there_is_one_unknown_environment(tmp_path: Path) -> None:
    write(tmp_path, "s1", "optimized", "aaa")
    write_unsupported(tmp_path, "s2", gpu="h100")
    table = list_environments(load_records(tmp_path))
    assert list(table["device"]) == ["NVIDIA A100", "unknown"]


@pytest.mark.parametrize("status", ["unsupported", "crashed", "timeout"])
def test_a_cell_without_an_environment_joins_that_of_its_sweep(
    tmp_path: Path, status: Status
) -> None:
    write(tmp_path, "s1", "optimized", "aaa", attention="math")
    record = sample_record(
        status=status, reason="why", environment={}, sweep="s1", gpu="a100", torch_env="optimized"
    )
    write_sample(tmp_path, record)
    rounds = load_records(tmp_path)
    assert set(rounds["env"]) == set(rounds["machine"]) == {"A100"}
    assert len(list_environments(rounds)) == 1


def test_environments_stand_in_the_order_of_the_folders_then_of_time(tmp_path: Path) -> None:
    for folder, fingerprint, day in (("b", "early", 23), ("a", "late", 25), ("a", "mid", 24)):
        record = sample_record(
            1.0,
            sweep=fingerprint,
            environment=sample_environment(fingerprint, "NVIDIA A100"),
            gpu="a100",
            started_at=f"2026-11-{day}T10:00:00+00:00",
        )
        write_sample(tmp_path / folder, record)
    everything = list_environments(load_records(tmp_path))
    assert list(everything["fingerprint"]) == ["early", "mid", "late"]
    assert list(everything["env"]) == ["A100 (1)", "A100 (2)", "A100 (3)"]
    given = list_environments(load_records(tmp_path / "a", tmp_path / "b"))
    assert list(given["fingerprint"]) == ["mid", "late", "early"]


def test_versions_of_pytorch_distinguish_machines_with_their_builds_where_needed(
    tmp_path: Path,
) -> None:
    for torch in ("2.11.0+cu130", "2.15.0+cu132"):
        write_torch(tmp_path / "versions", torch)
    assert set(load_records(tmp_path / "versions")["machine"]) == {
        "H100, PyTorch 2.11.0",
        "H100, PyTorch 2.15.0",
    }
    for torch in ("2.15.0+cu126", "2.15.0+cu132"):
        write_torch(tmp_path / "builds", torch)
    assert set(load_records(tmp_path / "builds")["machine"]) == {
        "H100, PyTorch 2.15.0+cu126",
        "H100, PyTorch 2.15.0+cu132",
    }


def write_torch(root: Path, torch: str) -> None:
    environment = sample_environment(torch, "NVIDIA H100 80GB HBM3", torch)
    write_sample(root, sample_record(1.0, sweep=torch, environment=environment, gpu="h100"))


def test_environments_of_one_sweep_without_a_short_difference_are_numbered(
    tmp_path: Path,
) -> None:
    write(tmp_path, "s1", "current", "aaa", attention="math")
    write(tmp_path, "s1", "current", "bbb", attention="flash")
    rounds = load_records(tmp_path)
    assert set(rounds["machine"]) == {"A100"}
    assert set(rounds["env"]) == {"A100, environment 1", "A100, environment 2"}


def test_the_table_says_what_each_environment_is(tmp_path: Path) -> None:
    write(tmp_path, "s1", "original", "aaa", attention="math")
    write(tmp_path, "s1", "original", "aaa", attention="flash")
    write(tmp_path, "s2", "original", "aaa", attention="flash")
    (row,) = list_environments(load_records(tmp_path)).to_dict("records")
    assert row["torch"] == "1.12.1"
    assert row["device"] == "NVIDIA A100"
    assert row["sweeps"] == ("s1", "s2")
    assert row["cells"] == 2
    assert row["rounds"] == 3
