"""Plan every sweep of a call, without torch, in as many processes as there are processors.

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
    """Print each plan; the exit code is that of the first plan that is refused, else 0."""
    cuda_devices()  # call nvidia-smi once, before the processes are forked
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), fork) as pool:
        for name, (code, output) in zip(sweeps, pool.map(plan, sweeps.values()), strict=True):
            print(f"== plan of {name}\n{output}", end="", flush=True)
            if code:
                pool.shutdown(cancel_futures=True)
                return code
    return 0


def plan(arguments: list[str]) -> tuple[int, str]:
    """The exit code of a dry run of sd_bench, and what it prints."""
    sys.argv = ["sd_bench", "-m", *arguments, DRY_RUN]
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        code = sd_bench()
    return code, output.getvalue()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
