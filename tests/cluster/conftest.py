"""Sweeps on a real Slurm that runs on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import slurm as slurm_here
from tests.support.cluster_sweeps import ClusterSweep
from tests.support.slurm import Slurm

#: Set where Slurm must be available: skipping these tests is then a failure.
_REQUIRED = "SD_BENCH_TESTS_NEED_SLURM"


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real Slurm: slurmctld, munge, and four slurmd with fake GPUs."""
    why_not = slurm_here.why_none()
    if why_not is None:
        try:
            import submitit  # noqa: F401
        except ImportError:
            why_not = "submitit is not installed: sd_bench[slurm]"
    if why_not is not None and os.environ.get(_REQUIRED):
        pytest.fail(f"{_REQUIRED} is set, and no Slurm can be started: {why_not}")
    if why_not is not None:
        pytest.skip(f"no Slurm can be started here: {why_not}")
    with slurm_here.started(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture
def sweep(slurm: Slurm, tmp_path: Path) -> Iterator[ClusterSweep]:
    """A sweep of two tiny cells with four rounds each, for each node that it is started on."""
    where = ("hydra/launcher=slurm", "cluster=here")
    sweep = ClusterSweep(tmp_path, where, slurm.environment)
    yield sweep
    sweep.end()
    for job in sweep.jobs():
        with suppress(subprocess.SubprocessError):
            slurm.run("scancel", "--signal=KILL", "--full", job)
            slurm.run("scancel", job)
