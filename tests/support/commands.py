"""What the tests of the real command share: arguments of tiny cells, and the records they leave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from sd_bench.records import Record, find_records, read_record

REPOSITORY = Path(__file__).parents[2]
TINY = ("gpu=cpu", "model_version=sd2_tiny", "workload.height=64", "workload.width=64")
SMOKE = (*TINY, "protocol=smoke", "sampler.steps=1")
#: A spawned worker runs the code when its interpreter starts; a forked one once it has its files.
INJECTED = """\
import sys
code = {code!r}
if "sd_bench.execution.worker" in sys.orig_argv:
    exec(code, {{}})
elif "sd_bench.execution.fork_server" in sys.orig_argv:
    import os
    def put_before_the_round():
        from sd_bench.execution import worker
        run = worker.run
        def run_after_the_code(*arguments):
            exec(code, {{"report_fd": arguments[1]}})
            run(*arguments)
        worker.run = run_after_the_code
    os.register_at_fork(after_in_child=put_before_the_round)
"""
Command = Callable[..., subprocess.CompletedProcess[str]]
Inject = Callable[[str], None]


def records(folder: Path) -> list[Record]:
    return [read_record(path) for path in find_records(folder / "sweep")]


def final_latents(folder: Path, record: Record) -> torch.Tensor:
    """The latents that the round of ``record`` kept for parity, in the sweep of a test."""
    assert record.output is not None
    assert record.output.latents_file is not None
    file = folder / "sweep" / record.job / record.output.latents_file
    return torch.from_numpy(np.load(file))


def run_python(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGUMENT...`` in a fresh interpreter and capture its output as text."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=dict(environment), timeout=timeout,
        capture_output=True, text=True,
    )  # fmt: skip
