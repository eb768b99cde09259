"""Resuming a sweep: what is missing is run, records stay, environments do not mix."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec import structs

from sd_bench.capabilities.support_rules import has_cpp_compiler
from sd_bench.capabilities.torch_compat import HAS_COMPILE
from sd_bench.cli.resume_arguments import (
    command_to_resume,
    resumed_arguments,
    stored_arguments,
)
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.finished_rounds import differences
from sd_bench.execution.sweep_folder import CLAIM, claim, locked, placed
from sd_bench.paths import folder_argument
from sd_bench.records import find_records, read_record, write_record
from sd_bench.records.sweep_file import MARKER, newest_sweep, start_sweep
from tests.support.commands import REPOSITORY, SMOKE, Command, records
from tests.support.composition import Compose


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in find_records(folder / "sweep")}


@pytest.mark.slow
def test_a_sweep_that_has_grown_runs_what_is_new_and_keeps_what_is_there(
    command: Command, tmp_path: Path
) -> None:
    assert command("-m", *SMOKE, "attention=math").returncode == 0
    before = contents(tmp_path)
    grown = ("-m", *SMOKE, "attention=original,math", "protocol.rounds=2", "resume=true")
    planned = command(*grown, "dry_run=true")
    assert contents(tmp_path) == before
    assert "3 round(s) to run: about " in planned.stdout
    done = command(*grown)
    assert done.returncode == 0, done.stderr
    assert "4 round(s), 1 of them already done" in done.stdout
    after = contents(tmp_path)
    assert len(after) == 4
    assert {path: after[path] for path in before} == before
    found = {(r.choices["attention"], r.round): r for r in records(tmp_path)}
    assert {r.job for key, r in found.items() if key[0] == "math"} == {"0"}
    assert {r.job for key, r in found.items() if key[0] == "original"} == {"1"}
    # the same arguments, taken from the sweep itself: nothing is left to run
    again = command("resume=true")
    assert again.returncode == 0, again.stderr
    assert "4 round(s), 4 of them already done" in again.stdout
    assert contents(tmp_path) == after


@pytest.mark.slow
def test_a_record_that_does_not_read_is_set_aside_and_measured_again(
    command: Command, tmp_path: Path
) -> None:
    assert command(*SMOKE, "attention=original", "protocol.rounds=2").returncode == 0
    torn, whole = sorted(contents(tmp_path))
    kept = whole.read_bytes()
    torn.write_text('{"schema_version": 2, "status":')
    done = command("resume=true")
    assert done.returncode == 0, done.stderr
    assert "not a valid record, set aside" in done.stdout
    assert read_record(torn).status == "ok"
    assert read_record(torn).position == 0
    assert whole.read_bytes() == kept
    assert (torn.parent / "unreadable-round-0.json").read_text().startswith('{"schema_version"')


@pytest.mark.slow
def test_another_environment_is_refused_by_name_unless_told_to_mix(
    command: Command, tmp_path: Path
) -> None:
    assert command(*SMOKE, "attention=original").returncode == 0
    before = contents(tmp_path)
    more = (*SMOKE, "attention=original", "protocol.rounds=2", "resume=true")
    refused = command(*more, MALLOC_ARENA_MAX="1")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "variables.MALLOC_ARENA_MAX was not set, is 1" in refused.stderr
    assert "mix_environments=true" in refused.stderr
    arguments = [sys.executable, "-m", "sd_bench", f"hydra.sweep.dir={tmp_path / 'sweep'}", *more]
    slowed = subprocess.run(
        ["nice", "-n", "3", *arguments], cwd=REPOSITORY, capture_output=True, text=True,
        timeout=100,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDEVMODE": "1", "PYTHONMALLOC": "debug",
             "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert slowed.returncode == 2
    assert slowed.stderr.count("\n") == 1
    assert "niceness was " in slowed.stderr
    assert "python_switches.dev_mode was not set, is True" in slowed.stderr
    assert "python_switches.malloc was not set, is debug" in slowed.stderr
    assert contents(tmp_path) == before
    assert not list((tmp_path / "sweep" / "0").glob("*.log"))
    mixed = command(*more, "mix_environments=true", MALLOC_ARENA_MAX="1")
    assert mixed.returncode == 0, mixed.stderr
    assert len({r.environment["fingerprint"] for r in records(tmp_path)}) == 2


@pytest.mark.slow
def test_a_refused_or_smaller_resume_changes_nothing_that_a_later_one_needs(
    command: Command, tmp_path: Path
) -> None:
    """Otherwise a cell would be forgotten silently."""
    sweep = tmp_path / "sweep"
    assert command("-m", *SMOKE, "attention=original,math").returncode == 0
    kept = {name: (sweep / name).read_bytes() for name in (MARKER, "multirun.yaml")}
    grown = ("-m", *SMOKE, "attention=original,math", "batch_size=1,2", "resume=true")
    assert command(*grown, MALLOC_ARENA_MAX="1").returncode == 2  # another environment
    assert command(*SMOKE, "attention=math", "workload.seed=7").returncode == 2  # another sweep
    smaller = command(*SMOKE, "attention=math", "protocol.rounds=2", "resume=true")
    assert smaller.returncode == 0, smaller.stderr
    assert {name: (sweep / name).read_bytes() for name in kept} == kept
    assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == ["0", "1"]
    assert command(*grown).returncode == 0
    assert "batch_size=1,2" in (sweep / MARKER).read_text()
    assert len({r.position for r in records(tmp_path)}) == len(records(tmp_path)) == 5


@pytest.mark.slow
def test_a_folder_without_its_claim_is_that_of_its_records(
    command: Command, tmp_path: Path
) -> None:
    assert command("-m", *SMOKE, "attention=original,math").returncode == 0
    before = contents(tmp_path)
    (tmp_path / "sweep" / "0" / CLAIM).unlink()
    (tmp_path / "sweep" / "1" / CLAIM).write_text('{"hash": [], "preset": {}}')
    done = command("resume=true")
    assert done.returncode == 0, done.stderr
    assert "2 round(s), 2 of them already done" in done.stdout
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_what_was_unsupported_is_measured_once_it_runs(command: Command, tmp_path: Path) -> None:
    compiled = (*SMOKE, "attention=math", "compile=default", "protocol.rounds=2")
    assert command(*compiled, PATH="/nowhere").returncode == 0
    assert [r.status for r in records(tmp_path)] == ["unsupported"]
    assert "no round to run" in command("resume=true", "dry_run=true", PATH="/nowhere").stdout
    if HAS_COMPILE and has_cpp_compiler():
        assert "2 round(s) to run" in command("resume=true", "dry_run=true").stdout


@pytest.mark.slow
def test_a_record_of_a_newer_sd_bench_is_refused_and_left_alone(
    command: Command, tmp_path: Path
) -> None:
    assert command(*SMOKE, "attention=original").returncode == 0
    (path,) = find_records(tmp_path / "sweep")
    newer = json.loads(path.read_text()) | {"schema_version": 99}
    path.write_text(json.dumps(newer))
    refused = command("resume=true")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "schema version 99" in refused.stderr
    assert json.loads(path.read_text()) == newer


@pytest.mark.slow
def test_a_trace_is_of_the_first_round_that_is_measured_with_it(
    command: Command, tmp_path: Path
) -> None:
    assert command(*SMOKE, "attention=original").returncode == 0
    more = ("protocol.rounds=3", "resume=true", "profile=true")
    assert command(*SMOKE, "attention=original", *more).returncode == 0
    profiles = {r.round: r.profile for r in records(tmp_path)}
    assert [n for n, profile in sorted(profiles.items()) if profile] == [1]
    assert (tmp_path / "sweep" / "0" / "round-1-trace.json.gz").exists()


@pytest.mark.slow
def test_a_failed_round_stays_until_it_is_to_be_tried_again(
    command: Command, tmp_path: Path
) -> None:
    arguments = (*SMOKE, "attention=original")
    assert command(*arguments, "protocol.time_limit_s=0.2").returncode == 1
    before = contents(tmp_path)
    assert command(*arguments, "resume=true").returncode == 1
    assert contents(tmp_path) == before
    again = command(*arguments, "resume=true", "retry_failed=true")
    assert again.returncode == 0, again.stderr
    assert [r.status for r in records(tmp_path)] == ["ok"]


@pytest.mark.slow
def test_two_sweeps_at_once_in_a_folder_are_refused_and_a_killed_one_leaves_no_lock(
    command: Command, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    first = subprocess.Popen(
        [sys.executable, "-m", "sd_bench", *SMOKE, "attention=original", "protocol.rounds=50",
         f"hydra.sweep.dir={sweep}"],
        cwd=REPOSITORY, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 100
    while not (sweep / "0" / CLAIM).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    second = command("resume=true", "dry_run=false")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert second.returncode == 2
    assert "another sweep is running there" in second.stderr
    with locked(sweep):
        assert (sweep / MARKER).exists()


def test_how_many_gpus_is_kept_with_the_matrix(tmp_path: Path) -> None:
    typed = ["-m", "attention=math", "num_gpus=all", "dry_run=false", f"hydra.sweep.dir={tmp_path}"]
    start_sweep(tmp_path, stored_arguments(typed))
    again = ["resume=true", f"hydra.sweep.dir={tmp_path}"]
    assert resumed_arguments(again) == ["-m", "attention=math", "num_gpus=all", *again]
    fewer = ["num_gpus=1", *again]
    assert resumed_arguments(fewer) == ["-m", "attention=math", "num_gpus=all", *fewer]


def test_resume_last_takes_the_newest_sweep_and_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("2026-01-02/a", "2026-01-01/b"):
        (tmp_path / "multirun_outputs" / name).mkdir(parents=True)
        start_sweep(tmp_path / "multirun_outputs" / name, ["-m", "attention=math,flash"])
    newest = tmp_path / "multirun_outputs/2026-01-01/b"
    assert newest_sweep(tmp_path / "multirun_outputs") == newest
    end = ["resume=true", f"hydra.sweep.dir={newest}"]
    assert resumed_arguments(["resume=last"]) == ["-m", "attention=math,flash", *end]
    typed = ["attention=math", "resume=last"]
    assert resumed_arguments(typed) == ["attention=math", *end]
    assert resumed_arguments(["dry_run=true"]) == ["dry_run=true"]


@pytest.mark.slow
def test_the_command_to_resume_survives_shell_and_hydra(tmp_path: Path) -> None:
    odd = tmp_path / "it's, a {folder} = $HOME"
    odd.mkdir()
    start_sweep(odd, ["gpu=cpu", "sampler.steps=1"])
    resuming = command_to_resume(odd)
    done = subprocess.run(
        ["bash", "-c", f"{resuming} dry_run=true"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 round(s) to run" in done.stdout
    assert folder_argument(tmp_path) == f"hydra.sweep.dir={tmp_path}"
    assert "1 sampler steps" in done.stdout


def cells(compose: Compose, folder: Path, *attentions: str) -> list[Cell]:
    return [
        Cell(
            config=compose("gpu=cpu", f"attention={attention}"), index=index, label="",
            folder=folder / str(index), sweep_folder=folder,
        )
        for index, attention in enumerate(attentions)
    ]  # fmt: skip


def test_a_cell_keeps_its_folder_and_a_new_one_gets_a_free_one(
    compose_config: Compose, tmp_path: Path
) -> None:
    for cell in cells(compose_config, tmp_path, "math", "flash"):
        claim(cell)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "notes.txt").write_text("a user's own")
    grown = cells(compose_config, tmp_path, "flash", "auto", "math", "flash")
    names = [cell.folder.name for cell in placed(grown, tmp_path, resume=True)]
    assert names == ["1", "3", "0", "4"]  # asked for twice, flash is measured twice
    with pytest.raises(ConfigError, match="none of the cells"):
        placed(cells(compose_config, tmp_path, "original"), tmp_path, resume=True)
    with pytest.raises(ConfigError, match="already holds another sweep"):
        placed(grown, tmp_path, resume=False)


@pytest.mark.slow
def test_a_record_in_the_wrong_place_is_not_taken_for_the_round(
    command: Command, tmp_path: Path
) -> None:
    assert command(*SMOKE, "attention=original").returncode == 0
    (path,) = find_records(tmp_path / "sweep")
    write_record(path, structs.replace(read_record(path), cell_hash="f00d"))
    planned = command("resume=true", "dry_run=true")
    assert "cell f00d, in the wrong place" in " ".join(planned.stdout.split())
    assert "1 round(s) to run" in planned.stdout


def test_an_older_sweep_is_refused_in_words_and_not_by_a_list_of_what_it_lacks() -> None:
    there = {"torch": "1", "processor": {"affinity": 2}}
    here = {"torch": "1", "processor": {"affinity": 2, "quota": 0.5}, "scheduling": {"niceness": 0}}
    assert differences([there], here) == [
        "made by an older sd_bench, which did not record all of processor, scheduling"
    ]
    tighter = {**here, "processor": {"affinity": 2, "quota": 0.25}}
    assert differences([here], tighter) == ["the CPU quota in processors was 0.5, is 0.25"]


def test_differences_name_the_facts_and_leave_out_the_machine() -> None:
    there = {"fingerprint": "a", "torch": "1", "packages": {"numpy": "1"}, "host": {"os": "x"}}
    here = json.loads(json.dumps(there)) | {"fingerprint": "b", "torch": "2", "host": {}}
    here["packages"]["timm"] = "3"
    assert differences([there], here) == [
        "torch was 1, is 2",
        "packages.timm was not set, is 3",
    ]
    there["build"], here["build"] = "A\n  - CPU: AVX512\nB", "A\n  - CPU: default\nB"
    assert "build was - CPU: AVX512, is - CPU: default" in differences([there], here)
    there["build"] = here["build"]
    assert differences([there, {**here, "torch": "1.5"}], here) == ["torch was 1.5, is 2"]
