"""How close is preset=fastest to the fastest implementation and to the processor's limits?

Full-size UNets with the same weights in one process, called alternately: ours by default and with
``preset=fastest``; diffusers by default, as documented (also compiled) and with the best known
settings; and OpenVINO, if they are installed. All use the allocator of ``--allocator``, by default
that of rounds on a CPU. It prints the median of each and its ratio to ``fastest``, the share of the
matrix products' rate that each reaches, the time of the first call, where the time of ``fastest``
goes by kind of operator, and the least time for its products and convolutions: for each its
arithmetic, or reading its weight.

    pip install -e '.[test]'
    python -m benchmarks.unet_race [--model sd2] [--size 256] [--calls 11] [--only NAME,NAME]
                                   [--allocator keep]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from sd_bench.capabilities.allocators import variables_of
from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.devices import cpu_name, cpu_precision
from sd_bench.implementations.building import build
from sd_bench.implementations.precision import compute_dtype
from sd_bench.implementations.protocol import Implementation
from sd_bench.implementations.torch_networks import TorchImplementation
from sd_bench.measurement.clock import timed_call
from sd_bench.measurement.flops import count_one_image
from sd_bench.measurement.matmul_rate import measure_matmul_rate
from sd_bench.measurement.unet_call import UNetCall
from sd_bench.networks.packed_layers import PackedConv2d, PackedLinear

FASTEST = "fastest"
#: The cells by their overrides. Those with freezing come last: it affects the whole process.
RACERS = {
    FASTEST: ("preset=fastest",),
    "sd_bench as it is": (),
    "diffusers as it is": ("implementation=diffusers",),
    "diffusers as documented, compiled": ("implementation=diffusers_documented",),
    "openvino": ("implementation=openvino",),
    "diffusers, best settings known": (
        *("implementation=diffusers", "compile=default"),
        *("optimizations.channels_last=true", "optimizations.freezing=true"),
    ),
}
#: Operators by what they do; all others are "the rest".
KINDS = {
    "convolutions": ("convolution",),
    "products": ("linear_pointwise", "addmm", "mm", "matmul"),
    "attention": ("scaled_dot_product", "bmm", "softmax"),
    "normalisation": ("native_group_norm", "native_layer_norm"),
}


@dataclass(slots=True)
class Racer:
    """An implementation that is ready, and the seconds of its calls."""

    implementation: Implementation
    call: UNetCall
    first_call_s: float
    times: list[float] = field(default_factory=list)

    def run(self) -> None:
        with self.implementation.running():
            self.times.append(timed_call(self.implementation.device, self.call)[0])

    @property
    def median_s(self) -> float:
        return statistics.median(self.times)


def main() -> None:
    """Race, and print the results."""
    options = _parse()
    _have_allocator(options)
    names = list(RACERS) if options.only is None else options.only.split(",")
    racers = {name: _prepare(name, options) for name in names}
    for turn in range(options.calls):
        for name in names if turn % 2 else reversed(names):
            racers[name].run()
    fastest = racers.get(FASTEST, racers[names[0]])
    config, device = fastest.implementation.config, fastest.implementation.device
    rate = measure_matmul_rate(device, compute_dtype(config, device), 4.0)
    flop = options.batch * count_one_image(config)["unet_call"]
    assert rate is not None
    print(
        f"UNet of {options.model}, {options.size}x{options.size}, batch size {options.batch} (x2 "
        f"for guidance), {config.precision.name}, allocator {config.allocator.name}, "
        f"{options.calls} calls each in turn, torch {torch.__version__}, {cpu_name()}; "
        f"{flop / 1e9:.0f} GFLOP per call, "
        f"matrix products reach {rate.flop_per_s / 1e12:.2f} TFLOP/s: at least "
        f"{flop / rate.flop_per_s:.3f} s"
    )
    for name, racer in racers.items():
        print(
            f"{name}: {racer.median_s:.3f} s (fastest call {min(racer.times):.3f}), "
            f"fastest/{name} = {fastest.median_s / racer.median_s:.2f}, "
            f"{flop / racer.median_s / rate.flop_per_s:.0%} of the products' rate, first call "
            f"{racer.first_call_s:.1f} s"
        )
    for kind, seconds in _time_by_kind(fastest).items():
        print(f"  of one call of {FASTEST}: {kind} {seconds * 1e3:.0f} ms")
    print(_say_bounds(_layers(fastest), rate.flop_per_s, _read_rate()))


def _have_allocator(options: argparse.Namespace) -> None:
    """Restart this process with the allocator's variables if it was started without them."""
    wanted = variables_of(compose_config(*_allocator(options)).allocator, os.environ)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        arguments = [sys.executable, "-m", "benchmarks.unet_race", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, **wanted})


def _allocator(options: argparse.Namespace) -> tuple[str, ...]:
    named = () if options.allocator is None else (f"allocator={options.allocator}",)
    return ("gpu=cpu", *named)


def _prepare(name: str, options: argparse.Namespace) -> Racer:
    size = (f"workload.height={options.size}", f"workload.width={options.size}")
    config = compose_config(
        *(f"model_version={options.model}", f"batch_size={options.batch}", *size),
        *(f"precision={cpu_precision()}", *_allocator(options), *RACERS[name]),
    )
    implementation = build(config, torch.device("cpu"))
    with implementation.running():
        call = UNetCall(implementation)
        first_call_s = timed_call(implementation.device, call)[0]
        call()
    print(f"{name}: ready", flush=True)
    return Racer(implementation, call, first_call_s)


def _time_by_kind(racer: Racer) -> dict[str, float]:
    """Seconds of one call in each kind of operator, by PyTorch's profiler."""
    with racer.implementation.running(), profile(activities=[ProfilerActivity.CPU]) as profiler:
        racer.call()
    seconds = dict.fromkeys((*KINDS, "the rest"), 0.0)
    for event in profiler.key_averages():
        kind = next((k for k, words in KINDS.items() if any(w in event.key for w in words)), None)
        seconds[kind or "the rest"] += event.self_cpu_time_total / 1e6
    return seconds


def _layers(racer: Racer) -> list[tuple[float, float]]:
    """Floating-point operations and weight bytes of each product and convolution in a call."""
    found: list[tuple[float, float]] = []
    inside: list[nn.Module] = []

    def enter(module: nn.Module, *_: Any) -> None:
        inside.append(module)

    def leave(module: nn.Module, inputs: Any, output: Tensor) -> None:
        inside.pop()
        if inside:  # part of a packed convolution
            return
        is_linear = isinstance(module, (nn.Linear, PackedLinear))
        taps = 1 if is_linear else math.prod(_kernel(module))
        num_in = inputs[0].shape[-1 if is_linear else 1] * taps
        num_out = output.shape[-1 if is_linear else 1]
        found.append((2.0 * output.numel() * num_in, num_in * num_out * output.element_size()))

    assert isinstance(racer.implementation, TorchImplementation)
    kinds = (nn.Linear, nn.Conv2d, PackedLinear, PackedConv2d)
    with ExitStack() as hooks:
        for network in racer.implementation.networks.modules:
            for module in (m for m in network.modules() if isinstance(m, kinds)):
                hooks.callback(module.register_forward_pre_hook(enter).remove)
                hooks.callback(module.register_forward_hook(leave).remove)
        with racer.implementation.running():
            racer.call()
    return found


def _kernel(module: nn.Module) -> Sequence[int]:
    assert isinstance(module, (nn.Conv2d, PackedConv2d))
    return module.kernel_size


def _read_rate() -> float:
    """Bytes per second at which the processor reads memory: the best of ten sums of 256 MiB."""
    numbers = torch.ones(2**26)
    return numbers.nbytes / min(timed_call(numbers.device, numbers.sum)[0] for _ in range(10))


def _say_bounds(layers: list[tuple[float, float]], flop_per_s: float, byte_per_s: float) -> str:
    flops, weights = (sum(column) for column in zip(*layers, strict=True))
    least = sum(max(flop / flop_per_s, size / byte_per_s) for flop, size in layers)
    return (
        f"  its {len(layers)} products and convolutions take at least {least * 1e3:.0f} ms: "
        f"arithmetic {flops / flop_per_s * 1e3:.0f} ms ({flops / 1e9:.0f} GFLOP), or reading "
        f"weights at {byte_per_s / 1e9:.0f} GB/s {weights / byte_per_s * 1e3:.0f} ms "
        f"({weights / 1e9:.2f} GB), whichever is longer for each"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="sd2")
    parser.add_argument("--size", type=int, default=256, help="image height and width in pixels")
    parser.add_argument("--batch", type=int, default=1, help="images per call")
    parser.add_argument("--calls", type=int, default=11)
    parser.add_argument("--allocator", help="an option of the group allocator")
    parser.add_argument("--only", help="names of cells with commas between")
    return parser.parse_args()


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"took {time.perf_counter() - began:.0f} s")
