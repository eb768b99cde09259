"""How long do full-size random weights take, compared with only writing that memory?

Builds sd2's UNet, autoencoder and text encoder and fills them twice: the first time the memory is
new to the process, the second time it is not. ``zero_`` on the same memory is the reference.

    python benchmarks/random_weights.py [--dtype fp32] [--device cpu]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import nn

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.torch_compat import uninitialised
from sd_bench.measurement.clock import timed_call
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.weights.random_weights import fill_random

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    """Measure, and print one line per pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dtype", choices=DTYPES, default="fp32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    config = compose_config("model_version=sd2")
    device, dtype = torch.device(options.device), DTYPES[options.dtype]
    with uninitialised():
        networks: list[nn.Module] = [
            UNet(config.model_version.unet, attention_factory(config.attention)),
            Autoencoder(config.model_version.autoencoder),
            TextEncoder(config.model_version.text_encoder),
        ]
    for network in networks:
        network.to(dtype).to_empty(device=device)
    parameters = [p for network in networks for p in network.parameters()]
    count = sum(p.numel() for p in parameters)
    print(f"{count:,} parameters, {options.dtype}, {device}, torch {torch.__version__}")
    passes: dict[str, Callable[[], None]] = {
        "random, new memory": lambda: fill(networks),
        "random, again": lambda: fill(networks),
        "zero_, again": lambda: zero(parameters),
    }
    for name, call in passes.items():
        print(f"{name:20}{timed_call(device, call)[0]:7.2f} s")


def fill(networks: list[nn.Module]) -> None:
    for network in networks:
        fill_random(network, type(network).__name__ + ".", 0)


@torch.no_grad()
def zero(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.zero_()


if __name__ == "__main__":
    main()
