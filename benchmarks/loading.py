"""How long does a full-size checkpoint take to load, and how much memory?

A file of random weights is loaded into the networks in one fresh process by sd_bench and in another
by ``safetensors.torch.load_file`` with ``load_state_dict``, alternately, several times. The file is
in the page cache for both. ``load_file`` alone only maps the file, so both are timed until the
weights are in the networks.

    python benchmarks/loading.py [--model sd1] [--attention original] [--rounds 5] [--at FOLDER]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.torch_compat import uninitialised
from sd_bench.config.schema import Config
from sd_bench.implementations.our_networks import build_networks
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.weights.layout import part_keys
from sd_bench.weights.model_parts import parts
from sd_bench.weights.parts import AUTOENCODER, TEXT_ENCODER, UNET

CPU = torch.device("cpu")
_WAYS = ("sd_bench", "load_file")


def main() -> None:
    """Make the file, load it both ways alternately, and print one line."""
    options = parse()
    if options.load:
        print(json.dumps(load(options.load, options.file, options.model, options.attention)))
        return
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        file = Path(folder) / "model.safetensors"
        make_file(file, options.model)
        size = file.stat().st_size
        loads: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS}
        for index in range(options.rounds + 1):
            for way in _WAYS if index % 2 else reversed(_WAYS):
                found = in_a_fresh_process(way, file, options)
                if index:  # the first time fills the page cache
                    loads[way].append(found)
    seconds = {way: statistics.median(load["seconds"] for load in loads[way]) for way in _WAYS}
    peak = max(load["peak_bytes"] for load in loads["sd_bench"])
    print(
        f"{options.model}, fp32, {size / 1e9:.2f} GB, attention={options.attention}, "
        f"{options.rounds} loads each, torch {torch.__version__}: sd_bench "
        f"{seconds['sd_bench']:.2f} s, load_file and load_state_dict {seconds['load_file']:.2f} s, "
        f"ratio {seconds['sd_bench'] / seconds['load_file']:.2f}; peak memory of the whole process "
        f"{peak / size:.2f} times the file, {peak / 1e9:.2f} GB"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", choices=("sd1", "sd2", "sd1_tiny", "sd2_tiny"), default="sd1")
    parser.add_argument("--attention", choices=("original", "math"), default="original")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at", help="where to make the file (default: the temporary folder)")
    parser.add_argument("--load", choices=_WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def config_of(model: str, attention: str, weights: str = "random") -> Config:
    return compose_config(
        f"model_version={model}", f"attention={attention}", "precision=fp32", f"weights={weights}"
    )


def make_file(file: Path, model: str) -> None:
    """Write random weights in fp32 in the published layout."""
    config = config_of(model, "original")
    found: dict[str, torch.Tensor] = {}
    prefixes = (TEXT_ENCODER, UNET, AUTOENCODER)
    for prefix, network in zip(prefixes, build_networks(config, CPU), strict=True):
        for name, parameter in network.named_parameters():
            keys = part_keys(prefix + name)
            found.update(zip(keys, parameter.detach().chunk(len(keys)), strict=True))
    pieces: dict[str, list[torch.Tensor]] = {}
    for part in parts(config.model_version):
        pieces.setdefault(part.published.key, []).append(found[part.key])
    save_file({key: torch.cat(tensors) for key, tensors in pieces.items()}, file)


def in_a_fresh_process(way: str, file: Path, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--load", way, "--file", str(file)]
    command += ["--model", options.model, "--attention", options.attention]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def load(way: str, file: Path, model: str, attention: str) -> dict[str, float]:
    """Seconds to load the file into the networks, and the peak memory of the process in bytes."""
    config = config_of(model, attention, str(file))
    began = time.perf_counter()
    networks = build_networks(config, CPU) if way == "sd_bench" else load_the_usual_way(config)
    seconds = time.perf_counter() - began
    assert all(p.isfinite().all() for network in networks for p in network.parameters())
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert peak is not None
    return {"seconds": seconds, "peak_bytes": int(peak[1]) * 1024.0}


def load_the_usual_way(config: Config) -> list[nn.Module]:
    """Load all tensors, then each network's state dict, as one would without sd_bench."""
    model = config.model_version
    state = load_file(config.weights)
    with uninitialised():
        unet = UNet(model.unet, attention_factory(config.attention))
        autoencoder = Autoencoder(model.autoencoder)
        text_encoder = TextEncoder(model.text_encoder)
    networks: list[nn.Module] = [text_encoder, unet, autoencoder]
    for network in networks:
        network.to_empty(device="cpu")
    for network, prefix in ((unet, UNET), (autoencoder, AUTOENCODER)):
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        network.load_state_dict(own)
    by_key = {part.key: part.published for part in parts(model)}
    text = {}
    for name, _ in text_encoder.named_parameters():
        places = [by_key[key] for key in part_keys(TEXT_ENCODER + name)]
        keys = dict.fromkeys(place.key for place in places)
        text[name] = torch.cat([state[key] for key in keys])
    text_encoder.load_state_dict(text, strict=False)
    return networks


if __name__ == "__main__":
    main()
