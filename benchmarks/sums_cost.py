"""What do checksums of a full-size checkpoint cost in addition to its SHA-256?

    python -m benchmarks.sums_cost [--model sd1] [--rounds 4] [--at FOLDER]

A file of random weights is saved by ``torch.save``. Its SHA-256 is computed alone and as in
``checkpoint.digest``, alternately; seconds are medians of this process's CPU time.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.loading import make_file
from sd_bench.weights import checkpoint

_BLOCK = 1 << 22


def main() -> None:
    """Make the file, read it both ways alternately, and print one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", choices=("sd1", "sd2", "sd1_tiny", "sd2_tiny"), default="sd1")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--at", help="where to make the file (default: the temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        numbers, file = Path(folder, "m.safetensors"), Path(folder, "m.ckpt")
        make_file(numbers, options.model)
        torch.save({"state_dict": load_file(numbers)}, file)
        numbers.unlink()
        size = file.stat().st_size
        alone, with_sums = [], []
        for _ in range(options.rounds):
            alone.append(cpu_s(lambda: sha256(file)))
            checkpoint._file_digest.cache_clear()
            with_sums.append(cpu_s(lambda: checkpoint.digest(file)))
    print(
        f"{options.model}, {size / 1e9:.2f} GB, {options.rounds} times each: SHA-256 alone "
        f"{statistics.median(alone):.2f} s of CPU time, with the sums "
        f"{statistics.median(with_sums):.2f} s"
    )


def cpu_s(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def sha256(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


if __name__ == "__main__":
    main()
