"""Processes forked from the same process place their allocations at different addresses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.commands import REPOSITORY

#: Forks processes, each of which prints the address of a large tensor that it allocates.
_FORK = """\
import os, sys
import torch
from sd_bench.execution.address_layout import shift_addresses
for _ in range(8):
    if os.fork() == 0:
        if sys.argv[1] == "shifted":
            shift_addresses()
        print(torch.empty(10_000_000, dtype=torch.uint8).data_ptr(), flush=True)
        os._exit(0)
    os.wait()
"""


def _addresses(how: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _FORK, how],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.slow
def test_a_tensor_lies_elsewhere_in_each_forked_process() -> None:
    alike, apart = _addresses("alike"), _addresses("shifted")
    assert len(alike) == len(apart) == 8
    assert len(set(alike)) == 1
    assert len(set(apart)) >= 6
