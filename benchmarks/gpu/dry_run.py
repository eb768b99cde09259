"""Plan every sweep of a call, without torch, as many at a time as there are processors.

python dry_run.py '{"NAME": ["OVERRIDE", ...], ...}'
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout

from steps import DRY_RUN

from sd_bench.capabilities.nvidia_driver import cuda_devices
from sd_bench.cli.command import main as sd_bench


def main(sweeps: dict[str, list[str]]) -> int:
    """Print each plan; the exit code is sd_bench's of the first that is refused, 0 if none is."""
    cuda_devices()  # nvidia-smi is asked once, before the processes part
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), fork) as pool:
        for name, (code, said) in zip(sweeps, pool.map(plan, sweeps.values()), strict=True):
            print(f"== plan of {name}\n{said}", end="", flush=True)
            if code:
                pool.shutdown(cancel_futures=True)
                return code
    return 0


def plan(arguments: list[str]) -> tuple[int, str]:
    """The exit code of sd_bench's dry run, and what it prints."""
    sys.argv = ["sd_bench", "-m", *arguments, DRY_RUN]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = sd_bench()
    return code, said.getvalue()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
