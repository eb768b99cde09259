"""The dtypes of each precision."""

from __future__ import annotations

import torch

from sd_bench.config.schema import Config

#: The dtype of weights by precision; autocast computes in another one.
WEIGHT_DTYPES = {
    "autocast": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp32": torch.float32,
}
_AUTOCAST_DTYPES = {
    "cuda": torch.float16,
    "mps": torch.float16,
    "xpu": torch.float16,
    "cpu": torch.bfloat16,
}


def compute_dtype(config: Config, device: torch.device) -> torch.dtype:
    """The dtype that attention computes in."""
    if config.precision.name == "autocast":
        return _AUTOCAST_DTYPES[device.type]
    return WEIGHT_DTYPES[config.precision.name]
