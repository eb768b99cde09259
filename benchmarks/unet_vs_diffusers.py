"""Is the UNet as fast as that of diffusers with the same size, dtype and attention kernel?

Both are built in one process with random weights and called alternately; the result is the ratio of
the medians (below 1: ours is faster). The first call of each is left out.

    pip install -e '.[test]'
    python benchmarks/unet_vs_diffusers.py [--size 128] [--batch 2] [--dtype bf16] [--calls 15]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.torch_compat import sdpa_backends, uninitialised
from sd_bench.config.schema import Config
from sd_bench.measurement.clock import timed_call
from sd_bench.measurement.kernel_proof import judge, profile_call
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.unet import UNet
from sd_bench.weights.random_weights import fill_random

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
#: The attention processor of diffusers with the same kernels as our backend of this name.
PROCESSORS = {"flash": AttnProcessor2_0, "math": AttnProcessor2_0, "original": AttnProcessor}


def main() -> None:
    """Measure, and print one line."""
    options = parse()
    config = compose_config(f"attention={options.attention}")
    device = torch.device(options.device)
    dtype, latent = DTYPES[options.dtype], options.size // 8
    config.attention.upcast = False  # diffusers' plain processor does not upcast either
    ours, theirs = build_ours(config, device, dtype), build_theirs(options.attention, device, dtype)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(options.batch, 4, latent, latent, generator=generator).to(device, dtype)
    context = torch.randn(options.batch, 77, 1024, generator=generator).to(device, dtype)
    t = torch.full((options.batch,), 500, device=device)
    calls: dict[str, Callable[[], object]] = {
        "sd_bench": lambda: ours(x, t, context),
        "diffusers": lambda: theirs(x, t, context).sample,
    }
    with torch.no_grad(), sdpa_backends(config.attention.allowed_sdpa_backends):
        for name, call in calls.items():
            call()
            proof = judge(profile_call(device, call), config.attention, 32, False, True)
            print(f"{name}: {proof.detail}{'' if proof.proven else ' NOT AS NAMED'}")
        times: dict[str, list[float]] = {name: [] for name in calls}
        for index in range(options.calls):
            order = list(calls) if index % 2 else list(reversed(calls))
            for name in order:
                times[name].append(timed_call(device, calls[name])[0])
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["sd_bench"] / medians["diffusers"]
    print(
        f"UNet of sd2, {options.device}, {options.dtype}, {options.attention}, batch "
        f"{options.batch}, {options.size}x{options.size}, {options.calls} calls each, torch "
        f"{torch.__version__}: sd_bench {medians['sd_bench']:.4f} s, diffusers "
        f"{medians['diffusers']:.4f} s, ratio {ratio:.3f}"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=128, help="image height and width in pixels")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--attention", choices=PROCESSORS, default="flash")
    parser.add_argument("--calls", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def build_ours(config: Config, device: torch.device, dtype: torch.dtype) -> UNet:
    with uninitialised():
        unet = UNet(config.model_version.unet, attention_factory(config.attention))
    unet.to(dtype).to_empty(device=device)
    fill_random(unet, "model.diffusion_model.", 0)
    return unet.eval()


def build_theirs(attention: str, device: torch.device, dtype: torch.dtype) -> UNet2DConditionModel:
    """The UNet of diffusers with the dimensions of SD 2."""
    with uninitialised():
        unet = UNet2DConditionModel(
            sample_size=64,
            cross_attention_dim=1024,
            attention_head_dim=(5, 10, 20, 20),
            use_linear_projection=True,
        )
    unet.to(dtype).to_empty(device=device)
    fill_random(unet, "diffusers.", 0)
    unet.set_attn_processor(PROCESSORS[attention]())
    return unet.eval()


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"took {time.perf_counter() - began:.0f} s")
