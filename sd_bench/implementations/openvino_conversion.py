"""Our networks in OpenVINO's format, made in a process of its own.

``python -m sd_bench.implementations.openvino_conversion`` reads ``{"config", "folder"}`` (JSON)
from its standard input and fills the folder. The process that measures holds neither our networks
nor what converting leaves behind, whether it found them converted or not.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from sd_bench.config.conversion import from_dict, to_dict
from sd_bench.config.schema import LATENT_CHANNELS, Config, PrecisionConfig
from sd_bench.implementations.conversion_cache import ConversionError
from sd_bench.implementations.our_networks import build_networks
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.sampling.inputs import PIXELS_PER_LATENT

TEXT_ENCODER, UNET, DECODER = NETWORKS = ("text_encoder", "unet", "decoder")


def input_shapes(config: Config) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of each network's inputs: tokens; latents, timesteps, context; latents."""
    workload, model = config.workload, config.model_version
    both = 2 * workload.batch_size
    size = (workload.height // PIXELS_PER_LATENT, workload.width // PIXELS_PER_LATENT)
    tokens = (both, model.text_encoder.context_length)
    return {
        TEXT_ENCODER: [tokens],
        UNET: [(both, LATENT_CHANNELS, *size), (both,), (*tokens, model.unet.context_dim)],
        DECODER: [(workload.batch_size, LATENT_CHANNELS, *size)],
    }


def convert_apart(config: Config, folder: Path) -> None:
    """Have another process fill ``folder``. Raises ConversionError with its last words."""
    request = json.dumps({"config": to_dict(config), "folder": str(folder)})
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=request, capture_output=True, text=True
    )
    if done.returncode == 0:
        return
    if done.returncode < 0:
        last = f"signal {-done.returncode} ended it, as it does where memory runs out"
    else:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    print(done.stderr, file=sys.stderr)
    raise ConversionError(f"converting the networks for OpenVINO failed: {last}")


def convert(config: Config, folder: Path) -> None:
    """Write the three networks of ``config`` in fp32, one after another, as FOLDER/NAME.xml."""
    from sd_bench.implementations.openvino_library import openvino

    shapes = input_shapes(config)
    fp32 = dataclasses.replace(config, precision=PrecisionConfig(name="fp32"))
    for name, network in _one_by_one(fp32):
        example = tuple(_example(name, shape) for shape in shapes[name])
        with torch.no_grad():
            model = openvino.convert_model(
                network, example_input=example, input=[list(shape) for shape in shapes[name]]
            )
        openvino.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
        del model, network
        gc.collect()


def _one_by_one(config: Config) -> Iterator[tuple[str, nn.Module]]:
    """Each network under its name; nothing here holds one that was handed out."""
    text_encoder, unet, autoencoder = build_networks(config, torch.device("cpu"))
    waiting = [(TEXT_ENCODER, text_encoder), (UNET, unet), (DECODER, _Decoder(autoencoder))]
    del text_encoder, unet, autoencoder
    while waiting:
        yield waiting.pop(0)


class _Decoder(nn.Module):
    """The autoencoder's second half, called as a module."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.post_quant_conv = autoencoder.post_quant_conv
        self.decoder = autoencoder.decoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(latents))


def _example(name: str, shape: tuple[int, ...]) -> Tensor:
    return torch.zeros(shape, dtype=torch.long if name == TEXT_ENCODER else torch.float32)


if __name__ == "__main__":
    request = json.load(sys.stdin)
    convert(from_dict(request["config"]), Path(request["folder"]))
