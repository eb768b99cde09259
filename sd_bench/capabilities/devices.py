"""The devices that are present, found without importing torch."""

from __future__ import annotations

import platform
import re
from functools import lru_cache
from pathlib import Path

from omegaconf import OmegaConf

from sd_bench.capabilities.nvidia_driver import Device, cuda_devices, detect
from sd_bench.config.schema import GpuConfig
from sd_bench.errors import ConfigError
from sd_bench.paths import CONF_DIR

_CPU_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def present_capability() -> tuple[int, int] | None:
    """The compute capability of the first CUDA device; None without one, or if not reported."""
    capability = next((d.compute_capability for d in cuda_devices()), None)
    if capability is None:
        return None
    major, minor = capability.split(".")
    return int(major), int(minor)


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """The processor's name as the operating system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_flags() -> set[str]:
    """Every word in /proc/cpuinfo, which include the instruction sets; empty outside Linux."""
    try:
        return set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return set()


def cpu_precision() -> str:
    """``bf16`` if the processor has instructions for it, else ``fp32``."""
    return "bf16" if cpu_flags() & _CPU_BF16_FLAGS else "fp32"


def detected_gpu() -> str:
    """The option of the group ``gpu`` for this machine's first visible device.

    Raises ConfigError if there is a GPU that cannot be used, rather than measuring on the CPU.
    """
    devices = cuda_devices()
    if not devices and (why := detect().why_none):
        raise ConfigError(f"gpu=auto: {why}; fix that, or use gpu=cpu")
    return option_for(devices[0].name) if devices else "cpu"


def option_for(device_name: str) -> str:
    """The option of the group ``gpu`` whose patterns match the driver's name; ``cuda`` if none."""
    for file in sorted((CONF_DIR / "gpu").glob("*.yaml")):
        patterns = OmegaConf.select(OmegaConf.load(file), "device_names") or []
        if any(re.search(pattern, device_name) for pattern in patterns):
            return file.stem
    return "cuda"


def fits(gpu: GpuConfig, device: Device) -> bool:
    """Whether the option ``gpu`` means ``device``.

    An option without patterns means every device of the same name as the first.
    """
    patterns = gpu.device_names
    if not patterns:
        return device.name == cuda_devices()[0].name
    return any(re.search(pattern, device.name) for pattern in patterns)


def matching_devices(gpu: GpuConfig) -> tuple[Device, ...]:
    """The devices present that the option ``gpu`` means."""
    return tuple(device for device in cuda_devices() if fits(gpu, device))


def check_present(gpu: GpuConfig) -> None:
    """Raise ConfigError if no device that is present is a ``gpu``."""
    if gpu.kind != "cuda":  # only PyTorch can find other makers' GPUs
        return
    found = cuda_devices()
    if not found and (why := detect().why_none):
        raise ConfigError(f"gpu={gpu.name}: {why}; fix that, or use gpu=cpu")
    if not found:
        raise ConfigError(
            f"gpu={gpu.name}: this machine has no CUDA device ({cpu_name()}); "
            "use gpu=cpu, or gpu=auto to use what is present"
        )
    if not matching_devices(gpu):
        raise ConfigError(
            f"gpu={gpu.name}: the device here is {found[0].name!r}; "
            f"use gpu={option_for(found[0].name)}, or gpu=auto"
        )
