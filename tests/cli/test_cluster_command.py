"""A sweep for a scheduler, without one: what would be submitted, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from sd_bench.capabilities.torch_compat import TORCH_VERSION
from sd_bench.capabilities.torch_features import can
from sd_bench.cli.status_command import main as status
from sd_bench.cluster.folders import (
    Ended,
    GroupFolders,
    Progress,
    StoredGroup,
    SubmittedJob,
    write_ended,
    write_progress,
)
from sd_bench.execution.folder_claim import Process
from tests.support.commands import Command

MATRIX = (
    "-m",
    "hydra/launcher=slurm",
    "gpu=t4,v100,a100",
    "attention=math,flash",
    "batch_size=1,2,4",
)


@pytest.mark.slow
@pytest.mark.skipif(
    not can(TORCH_VERSION, "flash attention by FlashAttention-2"),
    reason="older versions of PyTorch run other cells of this matrix, or none",
)
def test_the_dry_run_shows_groups_parameters_hours_and_what_is_unsupported_where(
    command: Command, tmp_path: Path
) -> None:
    done = command(
        *MATRIX, "cluster=example", "hydra.launcher.time_min=90", "protocol=published",
        "gpu.scheduling.constraint=quiet", "dry_run=true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {
        cells[0]: cells
        for line in done.stdout.splitlines()
        if line.startswith("| ") and "-current" in line
        for cells in [[cell.strip() for cell in line.split("|")[1:-1]]]
    }
    assert list(rows) == ["t4-current", "v100-current", "a100-current"]
    assert rows["a100-current"] == ["a100-current", "6", "60", "0", "0", "1", "no estimate"]
    assert rows["t4-current"][:3] == ["t4-current", "6", "33"]  # three cells say why they cannot
    assert "--gres=gpu:t4:1" in done.stdout
    assert "--constraint=quiet" in done.stdout
    assert "--time=90" in done.stdout
    assert "--exclusive" in done.stdout
    assert "module load cuda/12.6" in done.stdout
    assert "unsupported on t4-current: needs compute capability 8.0 (3 cells)" in done.stdout
    assert "in 3 group(s)" in done.stdout
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hydra/launcher=slurm", "hydra.launcher.nodes=0"), "hydra.launcher.nodes=0"),
        (("hydra/launcher=slurm", "hydra.launcher.time_min=soon"), "time_min"),
        (("hydra/launcher=slurm", "+hydra.launcher.x=1"), "no such setting"),
        (("cluster=example",), "are for hydra/launcher=slurm or ray"),
        (("hydra/launcher=ray", "hydra.launcher.wait=false"), "Ray ends tasks"),
    ],
)
def test_what_cannot_be_scheduled_is_one_line(
    arguments: tuple[str, ...], words: str, command: Command, tmp_path: Path
) -> None:
    done = command("-m", "gpu=t4", *arguments, "dry_run=true")
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.splitlines()
    assert words in line
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_of_one_machine_has_no_status_of_this_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not a sweep of hydra/launcher=slurm or ray" in line


def test_the_status_of_an_ended_sweep_needs_no_scheduler(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, failed in (("t4-current", 0), ("a100-current", 1)):
        folders = GroupFolders(tmp_path, name)
        folders.write(
            StoredGroup(
                name=name, gpu=name[:2], scheduler="ray", arguments=[], cells=[["a"], ["b"]]
            )
        )
        folders.add_job(SubmittedJob(id="x", submitted_at="now", submitter=Process.this()))
        for cell in range(2):
            (folders.records / str(cell)).mkdir(parents=True)
            (folders.records / str(cell) / "round-0.json").touch()
        write_progress(folders.records, Progress(expected=2, failed=failed, is_complete=True))
        write_ended(
            folders.records, Ended(exit_code=failed, is_complete=True, job="task", node="n1")
        )
    assert status([str(tmp_path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    numbers = {
        g["group"]: (g["word"], g["done"], g["failed"], g["pending"]) for g in shown["groups"]
    }
    assert numbers == {"t4-current": ("done", 2, 0, 0), "a100-current": ("done", 1, 1, 0)}
    assert shown["is_over"]
    assert status([str(tmp_path)]) == 0
    assert "a100-current" in capsys.readouterr().out
    assert msgspec.json.encode(shown)
