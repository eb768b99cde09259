"""The whole command with diffusers: records, forked rounds, and missing packages."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import TINY, Command, records

pytestmark = pytest.mark.slow

NAMES = ("diffusers", "diffusers_documented", "diffusers_pipeline")


@pytest.mark.skipif(find_spec("diffusers") is None, reason="diffusers is not installed")
def test_a_sweep_holds_peers_beside_ours_in_forked_rounds(command: Command, tmp_path: Path) -> None:
    named = "implementation=sd_bench,diffusers,diffusers_pipeline"
    small = (*TINY, "protocol=smoke", "protocol.worker=fork", "precision=fp32", "sampler.steps=2")
    done = command("-m", *small, named)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {record.choices["implementation"]: record for record in records(tmp_path)}
    assert set(found) == {"sd_bench", "diffusers", "diffusers_pipeline"}
    assert {record.status for record in found.values()} == {"ok"}
    latents = {}
    for name, record in found.items():
        assert record.environment["worker"] == {"kind": "fork"}
        assert {"diffusers", "transformers"} <= set(record.environment["packages"])
        assert record.kernel_proof is not None
        assert record.kernel_proof.proven, record.kernel_proof.detail
        assert record.kernel_proof.num_attention_modules == 32
        assert record.times is not None
        (iteration,) = record.times.iterations
        assert iteration.total_s > 0
        assert "printed" not in iteration.flags
        if name == "diffusers_pipeline":
            assert iteration.stages_s is None
            assert iteration.steps_s == []
        else:
            assert iteration.stages_s is not None
            assert len(iteration.steps_s) == 2
        assert record.output is not None
        assert record.output.latents_file is not None
        latents[name] = np.load(tmp_path / "sweep" / record.job / record.output.latents_file)
    for name in ("diffusers", "diffusers_pipeline"):
        distance = np.linalg.norm(latents[name] - latents["sd_bench"])
        assert distance < 5e-5 * np.linalg.norm(latents["sd_bench"])


def test_where_its_packages_are_missing_the_dry_run_says_what_to_install(
    command: Command, tmp_path: Path
) -> None:
    python = _interpreter_without(("diffusers", "transformers"), tmp_path / "environment")
    named = f"implementation={','.join(NAMES)}"
    done = command("-m", "dry_run=true", *TINY, f"torch_env.python={python}", named)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = "diffusers and transformers are not installed: pip install -e '.[diffusers]'"
    words = " ".join(done.stdout.split())
    assert words.count(missing) == len(NAMES), done.stdout


def _interpreter_without(packages: tuple[str, ...], folder: Path) -> Path:
    """A virtual environment with all packages of this interpreter except these."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    there = next(folder.glob("lib/python*/site-packages"))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name.split("-")[0] not in packages and not (there / entry.name).exists():
            (there / entry.name).symlink_to(entry)
    return folder / "bin" / "python"
