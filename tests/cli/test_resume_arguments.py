"""What a command that resumes a sweep takes from its folder, and what it does not."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sd_bench.cli.resume_arguments import (
    command_to_resume,
    resumed_arguments,
    stored_arguments,
)
from sd_bench.command_lines import shown
from sd_bench.errors import ConfigError
from sd_bench.paths import folder_argument
from sd_bench.records.sweep_file import start_sweep, started_with
from tests.support.commands import REPOSITORY, SMOKE

_MATRIX = ["-m", "attention=math,flash"]


def resuming(folder: Path, *typed: str) -> list[str]:
    return ["resume=true", f"hydra.sweep.dir={folder}", *typed]


@pytest.mark.parametrize(
    "dangerous",
    [
        "torch_env.python=/tmp/other", "++torch_env.python=/tmp/other", "time_file=/etc/motd",
        "hydra.launcher._target_=os.system", "hydra/launcher=theirs", "hydra.sweeper._target_=x",
        "+hydra.callbacks.x._target_=x", "--config-dir=/tmp/theirs",
    ],
)  # fmt: skip
def test_what_runs_or_is_written_is_never_taken_from_a_folder(
    tmp_path: Path, dangerous: str
) -> None:
    start_sweep(tmp_path, [*_MATRIX, dangerous])
    with pytest.raises(ConfigError, match="give it again to continue, as in") as error:
        resumed_arguments(resuming(tmp_path))
    _, _, line = str(error.value).partition(f"as in {shown('sd_bench')} ")
    typed = shlex.split(line)
    assert dangerous in typed
    assert set(resumed_arguments(typed)) == {*_MATRIX, *typed}


def test_a_relative_folder_of_configurations_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stored = stored_arguments(["attention=flash", "preset=mine", "--config-dir", "my"])
    assert stored == [f"--config-dir={tmp_path}/my", "attention=flash", "preset=mine"]
    (tmp_path / "sweep").mkdir()
    start_sweep(tmp_path / "sweep", stored)
    line = command_to_resume(tmp_path / "sweep", stored)
    monkeypatch.chdir("/")
    typed = shlex.split(line.removeprefix(shown("sd_bench")))
    assert set(resumed_arguments(typed)) == {*stored, *typed}
    monkeypatch.chdir(tmp_path)
    assert "--config-dir=my" in resumed_arguments(resuming(Path("sweep"), "--config-dir=my"))


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("weights=a.ckpt", "weights={here}/a.ckpt"),
        ("weights=a.ckpt,'b c.ckpt'", "weights={here}/a.ckpt,'{here}/b c.ckpt'"),
        ("weights=choice(a.ckpt,random)", "weights={here}/a.ckpt,random"),
        ("weights=random", "weights=random"),
        ("weights=${oc.env:HOME}/a.ckpt", "weights=${oc.env:HOME}/a.ckpt"),
        ("weights=/x/a.ckpt", "weights=/x/a.ckpt"),
        ("++prompt_file=p.txt", "++prompt_file={here}/p.txt"),
        ("time_file='my times.txt'", "time_file='{here}/my times.txt'"),
        ("torch_env.python=python3", "torch_env.python=python3"),
        ("torch_env.python=envs/old", "torch_env.python={here}/envs/old"),
    ],
)
def test_what_leads_to_a_file_does_so_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, stored: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.ckpt", "b c.ckpt"):
        (tmp_path / name).touch()
    assert stored_arguments([typed]) == [stored.replace("{here}", str(tmp_path))]


@pytest.mark.slow
def test_flags_that_were_typed_last_are_gone_on_with_from_another_folder(tmp_path: Path) -> None:
    """The printed line is run unchanged in a shell."""
    mine, elsewhere, sweep = tmp_path / "it's mine", tmp_path / "elsewhere", tmp_path / "a sweep"
    (mine / "my" / "preset").mkdir(parents=True)
    (mine / "my" / "preset" / "mine.yaml").write_text(
        "# @package _global_\npreset: {name: mine, bundle: {attention: original}}\n"
    )
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}

    def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip

    matrix = (*SMOKE, "attention=original", "preset=mine", folder_argument(sweep))
    begun = run(shown("sd_bench", *matrix, "-m", "--config-dir", "my"), mine)
    assert begun.returncode == 0, begun.stderr
    line = command_to_resume(sweep, started_with(sweep) or [])
    for folder in (elsewhere, mine):
        again = run(f"{line} protocol.rounds=2 dry_run=true", folder)
        assert again.returncode == 0, again.stderr
        assert "1 round(s) to run" in again.stdout
    without = run(shown("sd_bench", "resume=true", folder_argument(sweep)), elsewhere)
    assert without.returncode == 2
    assert without.stderr.endswith(f"as in {line}\n")


def test_a_longer_sweep_needs_no_matrix_again(tmp_path: Path) -> None:
    start_sweep(tmp_path, _MATRIX)
    typed = resuming(tmp_path, "protocol.rounds=9")
    assert resumed_arguments(typed) == [*_MATRIX, *typed]
    other = resuming(tmp_path, "attention=cudnn")
    assert resumed_arguments(other) == other


def test_a_mistyped_folder_begins_no_sweep(tmp_path: Path) -> None:
    missing = tmp_path / "mistyped"
    with pytest.raises(ConfigError, match="there is no sweep to continue; leave out resume=true"):
        resumed_arguments([*_MATRIX, *resuming(missing)])


@pytest.mark.parametrize("word", ["false", "no", "off", "No", "0", "'false'"])
def test_no_is_no(word: str) -> None:
    assert resumed_arguments([*_MATRIX, f"resume={word}"]) == [*_MATRIX, f"resume={word}"]


@pytest.mark.parametrize("word", ["true", "yes", "on", "1", "True"])
def test_yes_is_yes(tmp_path: Path, word: str) -> None:
    start_sweep(tmp_path, _MATRIX)
    typed = [f"resume={word}", f"hydra.sweep.dir={tmp_path}"]
    assert resumed_arguments(typed) == [*_MATRIX, *typed]


def test_what_is_neither_is_one_line() -> None:
    with pytest.raises(ConfigError, match=re.escape("resume=maybe: write resume=true, or")):
        resumed_arguments(["resume=maybe"])
