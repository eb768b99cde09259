"""What every PyTorch must compute: numbers of parameters, and latents of small workloads.

``python -m tests.support.outputs`` writes ``outputs.json`` under the PyTorch at hand;
``tests/environments/test_outputs.py`` compares every other one with that file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.torch_compat import uninitialised
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from tests.fidelity.pipelines import our_images

FILE = Path(__file__).with_name("outputs.json")
MODELS = ("sd1", "sd2", "sd2_768")
ATTENTIONS = ("original", "math")


def parameters(model_version: str) -> dict[str, int]:
    """The number of parameters of each network at full size."""
    config = compose_config(f"model_version={model_version}", "sampler=ddim", "attention=original")
    model = config.model_version
    with uninitialised():
        networks: dict[str, torch.nn.Module] = {
            "text_encoder": TextEncoder(model.text_encoder),
            "unet": UNet(model.unet, attention_factory(config.attention)),
            "autoencoder": Autoencoder(model.autoencoder),
        }
    return {
        name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()
    }


def latents(model_version: str, attention: str) -> torch.Tensor:
    """Final latents [1, 4, 8, 8] of two DDIM steps of the model's tiny twin, in fp32."""
    config = compose_config(
        "gpu=cpu", "precision=fp32", f"model_version={model_version}_tiny", "sampler=ddim",
        "sampler.steps=2", f"attention={attention}", "workload.height=64", "workload.width=64",
    )  # fmt: skip
    _, images = our_images(config)
    return images.latents


def computed() -> dict[str, Any]:
    """All results, ready for JSON."""
    return {
        "torch": torch.__version__,
        "parameters": {model: parameters(model) for model in MODELS},
        "latents": {
            model: {a: latents(model, a).flatten().tolist() for a in ATTENTIONS} for model in MODELS
        },
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(computed(), indent=1) + "\n")
    print(f"{FILE.name}: written under torch {torch.__version__}")
