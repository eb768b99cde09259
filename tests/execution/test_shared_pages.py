"""A forked process that has copied its shared pages pays for no copy afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sd_bench.execution.fork_server import why_not_to_fork
from tests.support.commands import REPOSITORY

#: Prints the page faults of writing to 64 MiB of the parent, in a child without and with copying.
_CODE = """\
import os, resource
import numpy as np
from sd_bench.execution.shared_pages import copy_shared_pages
memory = np.ones(64 << 20, dtype=np.uint8)
reserved = np.empty(1 << 30, dtype=np.uint8)  # never written to: nothing of it is to be had
for prepare in (lambda: None, copy_shared_pages):
    if os.fork() == 0:
        prepare()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        memory[:] = 2
        after = resource.getrusage(resource.RUSAGE_SELF)
        print(after.ru_minflt - usage.ru_minflt, usage.ru_maxrss, flush=True)
        os._exit(0)
    os.wait()
assert memory[0] == 1
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="fork servers are Linux's")
def test_what_is_copied_ahead_is_not_copied_later() -> None:
    if (why := why_not_to_fork()) and "copy its shared memory" in why:
        pytest.skip(why)
    done = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (shared, _), (copied, peak_kib) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert shared > 20 > copied
    assert peak_kib < 700 << 10
