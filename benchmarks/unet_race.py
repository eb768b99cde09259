"""How near is preset=fastest to the fastest, and to what the processor could do?

Full-size UNets with the same weights in one process, called in turn: ours as it is and as
``preset=fastest`` has it, diffusers as it is, as its documentation has it (compiled too) and with
the best settings that are known for it, and OpenVINO, as far as they are installed. It prints the
median of each and its ratio to ``fastest``, the share of the matrix products' rate that each
reaches, what compiling took, and where the time of ``fastest`` goes, by kind of operator.

    pip install -e '.[test]'
    python -m benchmarks.unet_race [--model sd2] [--size 256] [--calls 11] [--only NAME,NAME]
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field

import torch
from torch.profiler import ProfilerActivity, profile

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.devices import cpu_name, cpu_precision
from sd_bench.implementations.building import build
from sd_bench.implementations.precision import compute_dtype
from sd_bench.implementations.protocol import Implementation
from sd_bench.measurement.clock import timed_call
from sd_bench.measurement.flops import count_one_image
from sd_bench.measurement.matmul_rate import measure_matmul_rate
from sd_bench.measurement.unet_call import UNetCall

FASTEST = "fastest"
#: The cells, by their overrides. Those with freezing come last: it holds for the whole process.
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
#: Operators by what they do; what is in none of them is "the rest".
KINDS = {
    "convolutions": ("convolution",),
    "products": ("linear_pointwise", "addmm", "mm", "matmul"),
    "attention": ("scaled_dot_product", "bmm", "softmax"),
    "normalisation": ("native_group_norm", "native_layer_norm"),
}


@dataclass(slots=True)
class Racer:
    """An implementation that is ready, and what its calls took, in seconds."""

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
    """Race, and print what came out."""
    options = _parse()
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
        f"for guidance), {config.precision.name}, {options.calls} calls each in turn, torch "
        f"{torch.__version__}, {cpu_name()}; {flop / 1e9:.0f} GFLOP per call, "
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


def _prepare(name: str, options: argparse.Namespace) -> Racer:
    size = (f"workload.height={options.size}", f"workload.width={options.size}")
    config = compose_config(
        *(f"model_version={options.model}", f"batch_size={options.batch}", *size),
        *(f"precision={cpu_precision()}", "gpu=cpu", *RACERS[name]),
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


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="sd2")
    parser.add_argument("--size", type=int, default=256, help="image height and width in pixels")
    parser.add_argument("--batch", type=int, default=1, help="images per call")
    parser.add_argument("--calls", type=int, default=11)
    parser.add_argument("--only", help="names of cells with commas between")
    return parser.parse_args()


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"took {time.perf_counter() - began:.0f} s")
