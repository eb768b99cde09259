"""What all tests share: composed configurations, the real command, and injected faults."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from sd_bench.config.schema import WORKERS, Config
from tests.support.commands import INJECTED, REPOSITORY, Command, Inject, run_python
from tests.support.composition import Compose, composed_once

# One thread per test process: pytest runs two of them, and torch is not imported yet.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Each has its own locks, so that two test processes may measure at the same time.
os.environ["SD_BENCH_LOCK_DIR"] = tempfile.mkdtemp(prefix="sd_bench-test-locks-")
atexit.register(shutil.rmtree, os.environ["SD_BENCH_LOCK_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def compose_config() -> Compose:
    """``compose_config("attention=math", "batch_size=2")``: a Config of these overrides."""
    return composed_once


@pytest.fixture(scope="session")
def tiny(compose_config: Compose) -> Compose:
    """Like ``compose_config``, with sd2's tiny twin at 64x64 pixels in fp32 on the CPU."""

    def make(*overrides: str) -> Config:
        small = ("gpu=cpu", "model_version=sd2_tiny", "precision=fp32")
        return compose_config(*small, "workload.height=64", "workload.width=64", *overrides)

    return make


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``command("-m", "attention=math")`` runs the real command; records go to tmp_path/sweep."""

    def run(
        *arguments: str, timeout: float = 250, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return run_python(
            "-m", "sd_bench", f"hydra.sweep.dir={tmp_path / 'sweep'}", *arguments,
            folder=REPOSITORY, timeout=timeout,
            environment={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        )  # fmt: skip

    return run


@pytest.fixture
def inject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inject:
    """``inject(code)`` makes every worker run ``code`` when it starts, spawned or forked."""

    def put(code: str) -> None:
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(INJECTED.format(code=code))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return put


@pytest.fixture(params=WORKERS)
def worker(request: pytest.FixtureRequest) -> str:
    """The argument that chooses each kind of worker in turn."""
    return f"protocol.worker={request.param}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first: two processes share the tests, and neither should wait at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
