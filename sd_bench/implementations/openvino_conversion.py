"""Converts our networks to OpenVINO's format, in a separate process.

``python -m sd_bench.implementations.openvino_conversion`` reads ``{"config", "folder"}`` (JSON)
from stdin and fills the folder. The process that measures therefore never holds our networks or
what converting leaves in memory, whether they were cached or not.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

import torch

from sd_bench.config.conversion import from_dict, to_dict
from sd_bench.config.schema import Config
from sd_bench.implementations.conversion_cache import ConversionError
from sd_bench.implementations.converted_networks import networks_to_convert
from sd_bench.implementations.openvino_library import openvino


def convert_apart(config: Config, folder: Path) -> None:
    """Fill ``folder`` in another process. Raises ConversionError with its last line on stderr."""
    request = json.dumps({"config": to_dict(config), "folder": str(folder)})
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=request, capture_output=True, text=True
    )
    if done.returncode == 0:
        return
    if done.returncode < 0:
        last = f"signal {-done.returncode} ended it, as happens when memory runs out"
    else:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    print(done.stderr, file=sys.stderr)
    raise ConversionError(f"converting the networks for OpenVINO failed: {last}")


def convert(config: Config, folder: Path) -> None:
    """Write the networks of ``config`` in fp32 as FOLDER/NAME.xml and .bin, one at a time."""
    for network in networks_to_convert(config):
        with torch.no_grad():
            model = openvino.convert_model(
                network.module,
                example_input=network.inputs,
                input=[list(tensor.shape) for tensor in network.inputs],
            )
        openvino.save_model(model, folder / f"{network.name}.xml", compress_to_fp16=False)
        del model, network
        gc.collect()


if __name__ == "__main__":
    request = json.load(sys.stdin)
    convert(from_dict(request["config"]), Path(request["folder"]))
