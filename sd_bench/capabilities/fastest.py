"""The fastest known mix of choices for a device, and where it was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sd_bench.capabilities.devices import cpu_flags, cpu_precision
from sd_bench.capabilities.nvidia_driver import cuda_devices
from sd_bench.config.schema import Config

PRESET = "fastest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A mix of choices, and the device, date and records of the measurement that it won.

    A device counts as the measured one if its name matches ``device``, or its processor has
    ``flag``.
    """

    compile: str
    optimizations: str
    precision: str
    measured_on: str
    date: str
    records: str
    device: str | None = None
    flag: str | None = None

    def was_measured_on(self, name: str) -> bool:
        if self.flag is not None:
            return self.flag in cpu_flags()
        return self.device is not None and re.search(self.device, name) is not None


ON_CUDA = Mix(
    compile="off",
    optimizations="cuda_graph",
    precision="fp16",
    measured_on="an H100 80GB HBM3, SD 2 at batch size 1",
    date="2026-11-27",
    records="multirun_outputs/results_h100_2026-11-27/cuda_graph_sd2",
    device=r"H100 80GB HBM3$",
)
ON_CPU = Mix(
    compile="off",
    optimizations=(
        "channels_last+packed_weights+fused_epilogues+matmul_convolutions+cached_prompt+"
        "cached_timesteps"
    ),
    precision="bf16",
    measured_on="two cores of an Intel Xeon with AMX, SD 2 at 256x256",
    date="2026-11-27",
    records="multirun_outputs/results_fastest_cpu/none_and_auto",
    flag="amx_bf16",
)


def choice_here(axis: str) -> str:
    """The choice of ``preset=fastest`` for ``axis`` on the device that ``gpu=auto`` finds."""
    if cuda_devices():
        return str(getattr(ON_CUDA, axis))
    return cpu_precision() if axis == "precision" else str(getattr(ON_CPU, axis))


def why_fastest_may_not_be(config: Config, device_name: str) -> str | None:
    """Why ``preset=fastest`` may not be fastest on this device; None if it was measured here."""
    if config.preset.name != PRESET:
        return None
    mix = ON_CPU if config.gpu.kind == "cpu" else ON_CUDA
    if mix.was_measured_on(device_name):
        return None
    return (
        f"preset=fastest has not been measured here: it is the mix that was fastest on "
        f"{mix.measured_on} ({mix.date}, {mix.records}); python -m sd_bench experiment=fastest "
        "compares it on this device"
    )
