"""How long do alternative implementations of the UNet's layers take on this CPU?

Layers of SD 2's UNet at 256x256 pixels, batch size 2, in bf16, each computed as ``preset=fastest``
does and by alternatives: medians of calls that alternate over several sets of weights, more than
the caches hold. docs/optimizations.md says which alternatives were adopted.

    python -m benchmarks.layer_alternatives [--calls 60]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sd_bench.capabilities.devices import cpu_name
from sd_bench.networks import onednn
from sd_bench.networks.attention import unfused
from sd_bench.networks.packed_layers import (
    PackedConv2d,
    PackedLinear,
    flat_weight,
    patches,
)

#: This many sets of weights of 30 MB exceed any cache of a processor core.
_NUM_WEIGHTS = 6
#: Input and output channels and the side of the feature map of small 3x3 convolutions.
_CONVOLUTIONS = ((1280, 1280, 4), (2560, 1280, 4), (1280, 1280, 8), (2560, 1280, 8))
#: Rows, input and output features of linear layers.
_LINEARS = ((512, 2560, 640), (512, 640, 640), (128, 5120, 1280), (2048, 320, 1280))
#: Heads, queries and keys.
_ATTENTIONS = ((5, 1024, 77), (10, 256, 77), (20, 64, 77), (5, 1024, 1024))

Alternatives = dict[str, Callable[[int], Tensor]]


def main() -> None:
    """Print a line per layer: each implementation with its milliseconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=60, help="calls of each implementation")
    calls = parser.parse_args().calls
    print(
        f"torch {torch.__version__}, {cpu_name()}, {torch.get_num_threads()} threads; ms per call"
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for name, ways in _layers():
            times = ", ".join(f"{way} {ms:.2f}" for way, ms in _time(ways, calls).items())
            print(f"{name}: {times}", flush=True)


def _layers() -> Iterator[tuple[str, Alternatives]]:
    for num_in, num_out, side in _CONVOLUTIONS:
        yield f"convolution {num_in} to {num_out}, {side}x{side}", _conv(num_in, num_out, side)
    for rows, num_in, num_out in _LINEARS:
        yield f"linear {num_in} to {num_out}, {rows} rows", _linear(rows, num_in, num_out)
    for heads, queries, keys in _ATTENTIONS:
        yield f"attention of {queries} to {keys}, {heads} heads", _attend(heads, queries, keys)


def _time(ways: Alternatives, calls: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for call in range(-_NUM_WEIGHTS, calls):
        for name, way in ways.items():
            began = time.perf_counter()
            way(call % _NUM_WEIGHTS)
            if call >= 0:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) * 1e3 for name, each in times.items()}


def _conv(num_in: int, num_out: int, side: int) -> Alternatives:
    size = torch.Size((2, num_in, side, side))
    x = torch.randn(size).bfloat16().to(memory_format=torch.channels_last)
    convs = [nn.Conv2d(num_in, num_out, 3, padding=1).bfloat16() for _ in range(_NUM_WEIGHTS)]
    taps = [PackedConv2d(conv, True) for conv in convs]
    plain = [PackedConv2d(conv, False) for conv in convs]
    flat = [flat_weight(conv.weight).contiguous() for conv in convs]
    of_patches = [PackedLinear(weight, None) for weight in flat]
    return {
        "product with all taps (taken)": lambda i: taps[i](x),
        "packed convolution": lambda i: plain[i](x),
        "product with patches": lambda i: of_patches[i](patches(x)),
        "patches times the weight, transposed": lambda i: flat[i] @ patches(x).t(),
    }


def _linear(rows: int, num_in: int, num_out: int) -> Alternatives:
    x = torch.randn(rows, num_in).bfloat16()
    image = x.view(2, rows // 2, 1, num_in).permute(0, 3, 1, 2)
    weights = [torch.randn(num_out, num_in).bfloat16() * 0.01 for _ in range(_NUM_WEIGHTS)]
    bias = torch.randn(num_out).bfloat16()
    packed = [PackedLinear(weight, bias) for weight in weights]
    points = [
        onednn.pack_convolution(weight[:, :, None, None], (0, 0), (1, 1), image.shape)
        for weight in weights
    ]
    return {
        "packed (taken)": lambda i: packed[i](x),
        "packed, with GELU": lambda i: packed[i](x, then=onednn.GELU),
        "as a 1x1 convolution": lambda i: onednn.convolution(
            image, points[i], bias, (0, 0), (1, 1)
        ),
        "transposed": lambda i: weights[i] @ x.t(),
        "F.linear": lambda i: F.linear(x, weights[i], bias),
    }


def _attend(heads: int, queries: int, keys: int) -> Alternatives:
    q = torch.randn(2, queries, heads, 64).bfloat16().transpose(1, 2)
    k, v = (torch.randn(2, keys, heads, 64).bfloat16().transpose(1, 2) for _ in range(2))
    missing = -keys % 16
    padded_k, padded_v = (F.pad(each, (0, 0, 0, missing)) for each in (k, v))
    mask = torch.zeros(1, 1, 1, keys + missing).bfloat16()
    mask[..., keys:] = -torch.inf
    attend = F.scaled_dot_product_attention
    ways: Alternatives = {
        "flash (taken)": lambda i: attend(q, k, v),
        "two products and a softmax": lambda i: unfused(q, k, v),
    }
    if missing:
        ways["keys padded, with a mask"] = lambda i: attend(q, padded_k, padded_v, attn_mask=mask)
    return ways


if __name__ == "__main__":
    main()
