"""What the tests of the real command share: arguments of tiny cells, and the records they leave."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from sd_bench.records import Record, find_records, read_record

REPOSITORY = Path(__file__).parents[2]
TINY = ("gpu=cpu", "model_version=sd2_tiny", "workload.height=64", "workload.width=64")
SMOKE = (*TINY, "protocol=smoke", "sampler.steps=1")
Command = Callable[..., subprocess.CompletedProcess[str]]
Inject = Callable[[str], None]


def records(folder: Path) -> list[Record]:
    return [read_record(path) for path in find_records(folder / "sweep")]
