"""The command line: help is quick, errors are one line with exit code 2, nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sd_bench.command_lines import shown
from sd_bench.config.hydra_arguments import arguments_for_hydra
from sd_bench.records.sweep_file import start_sweep
from tests.support.commands import run_python

REPOSITORY = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_python(
        "-m", "sd_bench", *arguments, folder=folder, timeout=120,
        environment={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip


def test_help_lists_the_groups_and_imports_no_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sd_bench", "--help"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert "attention      auto, cudnn, flash, flex, math" in done.stdout
    assert "batch_size     1, 2, 4, 8, 16, 32" in done.stdout
    assert done.stdout.count("preset") == 2
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "sd_bench.cli.help_text" in imported
    assert imported.isdisjoint({"torch", "open_clip", "pandas", "matplotlib", "numpy", "hydra"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["attention=flsh"], "(did you mean flash?); auto, cudnn, flash, flex, math"),
        (["batch_size=3"], "workload.batch_size=N"),
        (["batch_size=-1"], "workload.batch_size=N"),
        (["workload.batch_size=-1"], "workload.batch_size=-1: must be at least 1"),
        (["threads=0"], "threads=0: use auto, cores, or a number from 1"),
        (["threads=-1"], "threads=-1: use auto, cores, or a number from 1"),
        (["threads=many"], "threads=many: use auto, cores, or a number from 1"),
        (["threads=1.5"], "threads=1.5: use auto, cores, or a number from 1"),
        (["threads=[1,2]"], "threads.count"),
        (["threads"], "write NAME=VALUE"),
        (["colour=red"], "colour: there is no such choice"),
        (["workload.typo=1"], "workload.typo: there is no such choice;"),
        (["workload.batch_size=many"], "could not be converted to Integer"),
        (["gpu=a100"], "gpu=a100: "),
        (["model_version=sd2_768"], "use sampler=ddim or sampler=dpm_solver"),
        (["batch_size"], "write NAME=VALUE"),
        (["compile=1"], "name one of the group's options"),
        (["torch_env=original", "torch_env.python=/no/such/python"], "no such interpreter"),
        (["hydra.sweep.dir=/proc/nowhere"], "name another place (hydra.sweep.dir=FOLDER"),
        (["-m", "attention=flash,math", "sampler.steps=3"], "do not divide"),
        (["attention=flash,math"], "add -m to sweep over them"),
        (["prompt=A cat, sitting"], "quote a value that holds a comma"),
        (["time_file=."], "is a folder; name a file"),
        (["~workload"], "every group is needed"),
        (["hydra.sweep.subdir=../elsewhere"], "is not inside the sweep's folder"),
        (["num_gpus=2", "gpu=cpu", "dry_run=true"], "gpu=cpu runs one worker at a time"),
        (["-m", "workload.batch_size=range(0,0)"], "no cells"),
        (["protocol.time_limit_s=nan"], "must be a finite number"),
        (["protocol.time_limit_s=-1"], "must be above 0 seconds"),
        (["model_version.autoencoder.attention=flash"], "use one of unfused"),
        (["attention=flash", "attention.upcast=true"], "only original, math and auto do"),
        (["attention=original", "attention.upcast=null"], "use true or false"),
        (["-m", "preset=a,b"], "Could not find 'preset/a'"),
        (["--foo"], f"unrecognized arguments: --foo; see {shown('sd_bench', '--help')}"),
        (["--config-name"], "expected one argument"),
        (["hydra.sweep.dir="], "hydra.sweep.dir: is empty; name a folder"),
        (["-m", "hydra.sweep.subdir=x", "attention=math,flash"], "several cells the same folder"),
        (["gpu=cpu", "gpu.device_names=['(']"], "'(' is not a regular expression"),
        ([f"workload.batch_size={10**23}"], "must be at most 1048576"),
        (["hydra.sweeper.max_batch_size=2"], "max_batch_size: Hydra has no such setting"),
        (["resume=true"], "name the sweep's folder (hydra.sweep.dir=FOLDER)"),
        (["resume=last"], "there is no sweep in multirun_outputs/"),
        (["resume=last", "hydra.sweep.dir=x"], "write resume=true with hydra.sweep.dir"),
        (
            ["resume=true", "hydra.sweep.dir=x"],
            "there is no sweep to continue; leave out resume=true to start one",
        ),
        (["gpu=cpu", "num_gpus=2"], "runs one worker at a time"),
        (["num_gpus=0"], "use all, or a number from 1"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("sd_bench: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["fresh_process", "basic"])
def test_a_plan_leaves_nothing(tmp_path: Path, launcher: str) -> None:
    done = run(tmp_path, f"hydra/launcher={launcher}", "dry_run=true", "gpu=cpu")
    assert done.returncode == 0, done.stderr
    assert "6 round(s) to run" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_only_our_launcher_goes_on_with_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    start_sweep(tmp_path / "x", ["gpu=cpu"])
    matrix = ("hydra/launcher=basic", "hydra.sweep.dir=x", "gpu=cpu", "images=false")
    done = run(tmp_path, *matrix, "resume=true")
    assert done.returncode == 2
    assert "only hydra/launcher=fresh_process, slurm and ray" in done.stderr


@pytest.mark.slow
def test_a_traceback_is_shown_on_request(tmp_path: Path) -> None:
    done = run(tmp_path, "workload.batch_size=-1", "traceback=true")
    assert "Traceback (most recent call last)" in done.stderr


@pytest.mark.slow
def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "multirun_outputs").write_text("a file in the way")
    done = run(tmp_path, "model_version=sd2_tiny")
    assert done.returncode == 2
    assert "name another place (hydra.sweep.dir=FOLDER" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"# @package _global_\na: [1\n", b"a: \xff\n"])
def test_an_experiment_that_does_not_read_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_bytes(content)
    done = run(tmp_path, "--config-dir", str(tmp_path), "experiment=mine", "gpu=cpu")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 KiB: enough for Hydra's own file, but not for a round's."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_exit_code_2(small_disk: Path, tmp_path: Path) -> None:
    done = run(
        tmp_path, f"hydra.sweep.dir={small_disk}/sweep", "gpu=cpu", "model_version=sd2_tiny",
        "attention=original", "protocol=smoke", "workload.height=64", "workload.width=64",
        "sampler.steps=1",
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "make room there, or name another place" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_typed_is_put_as_hydra_can_read_it() -> None:
    typed = ["workload.seed=3", "-m", "batch_size=1,2", "batch_size=x"]
    readable = ["-m", "workload.seed=3", "batch_size='1','2'", "batch_size=x"]
    assert arguments_for_hydra(typed) == readable
    assert arguments_for_hydra(["dry_run=true"]) == ["dry_run=true"]


@pytest.mark.slow
def test_the_composed_configuration_can_be_printed(tmp_path: Path) -> None:
    done = run(tmp_path, "--cfg", "job", "--resolve", "gpu=a100", "batch_size=4")
    assert done.returncode == 0, done.stderr
    assert "batch_size: 4" in done.stdout
    assert "height: 512" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["plan=true"], ["dry_run=true"]),
        (["dry_run=true", "configuration=original,optimized"],
         ["dry_run=true", "preset=original_xformers,optimized"]),
        (["dry_run=true", "workload.guidance=5"], ["dry_run=true", "workload.guidance_scale=5"]),
    ],
)  # fmt: skip
def test_old_words_work_and_one_line_gives_the_new_one(
    tmp_path: Path, old: list[str], new: list[str]
) -> None:
    common = ["-m", "gpu=cpu", "model_version=sd2_tiny"]
    typed_before, typed_now = run(tmp_path, *common, *old), run(tmp_path, *common, *new)
    assert typed_before.returncode == typed_now.returncode == 0, typed_before.stderr
    assert typed_before.stdout == typed_now.stdout
    assert typed_now.stderr == ""
    (line,) = typed_before.stderr.splitlines()
    assert line == f"sd_bench: {old[-1]} is now {new[-1]}; the old words work until 1.0"


@pytest.mark.slow
def test_attention_backend_is_another_name_of_attention(tmp_path: Path) -> None:
    rest = ["-m", "gpu=cpu", "model_version=sd2_tiny", "dry_run=true"]
    other, usual = (
        run(tmp_path, *rest, "attention_backend=flash,math"),
        run(tmp_path, *rest, "attention=flash,math"),
    )
    assert (other.returncode, other.stdout, other.stderr) == (0, usual.stdout, "")
    assert "2" in usual.stdout
    assert "attention=flash" in usual.stdout


@pytest.mark.slow
def test_the_command_that_people_type_is_planned_word_for_word(tmp_path: Path) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    command = "python -m sd_bench -m batch_size=1,2,4 attention=flash,math"
    assert command in readme
    _, _, _, *arguments = command.split()
    done = run(tmp_path, *arguments, "dry_run=true", "gpu=cpu")
    assert done.returncode == 0, done.stderr
    for batch_size in (1, 2, 4):
        for attention in ("flash", "math"):
            assert f"batch_size={batch_size} attention={attention}" in done.stdout
