"""The worker that calibrates: ``python -m sd_bench.execution.calibration_worker``.

It reads the request from stdin and writes the answer to stdout, both in JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import Any

from sd_bench.config.conversion import from_dict
from sd_bench.config.scaling import Size


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Measure the request's sizes with the networks of its configuration; the answer for JSON."""
    import torch

    from sd_bench.execution.worker import device_of, die_with_parent
    from sd_bench.measurement.calibration import measure_sizes

    die_with_parent()
    config = from_dict(request["config"])
    sizes = [Size(*size) for size in request["sizes"]]
    measured = measure_sizes(config, device_of(config), sizes, request["limit_s"])
    return {**dataclasses.asdict(measured), "torch": torch.__version__}


if __name__ == "__main__":
    answer = main(json.load(sys.stdin))
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # as a worker does: a normal exit takes a second
