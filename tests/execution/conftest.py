"""What the launcher's tests share: the real command on tiny networks, and faults put into it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sd_bench.records import Record, find_records, read_record

REPOSITORY = Path(__file__).parents[2]
TINY = ("gpu=cpu", "model_version=sd2_tiny", "workload.height=64", "workload.width=64")
SMOKE = (*TINY, "protocol=smoke", "sampler.steps=1")
Command = Callable[..., subprocess.CompletedProcess[str]]
Inject = Callable[[str], None]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``command("-m", "attention=math")`` runs the real command; records go to tmp_path/sweep."""

    def run(
        *arguments: str, timeout: float = 250, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sd_bench", f"hydra.sweep.dir={tmp_path / 'sweep'}", *arguments],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout,
            env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        )  # fmt: skip

    return run


@pytest.fixture
def inject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inject:
    """``inject(code)`` has every worker run ``code`` as its interpreter starts."""

    def put(code: str) -> None:
        body = "".join(f"    {line}\n" for line in code.splitlines())
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(
            f"import sys\nif 'sd_bench.execution.worker' in sys.orig_argv:\n{body}"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return put


def records(folder: Path) -> list[Record]:
    return [read_record(path) for path in find_records(folder / "sweep")]
