"""Which device is present, found without importing torch."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from omegaconf import OmegaConf

from sd_bench.config.schema import GpuConfig
from sd_bench.errors import ConfigError
from sd_bench.paths import CONF_DIR

_FIELDS = ("index", "name", "uuid", "compute_cap", "memory.total", "driver_version")
_APP_FIELDS = ("gpu_uuid", "pid", "process_name")
_CPU_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One CUDA device as its driver names it; an old driver does not tell the capability."""

    index: str
    name: str
    uuid: str
    compute_capability: str | None
    memory_mib: str
    driver: str


@lru_cache(maxsize=1)
def cuda_devices() -> tuple[Device, ...]:
    """The CUDA devices that a worker would see, in its order; empty without a driver."""
    nvidia_smi = shutil.which("nvidia-smi")
    if nvidia_smi is None:
        return ()
    for fields in (_FIELDS, [f for f in _FIELDS if f != "compute_cap"]):  # old drivers lack it
        query = [nvidia_smi, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        found = parse_nvidia_smi(answer.stdout, fields)
        return visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))
    return ()


def present_capability() -> tuple[int, int] | None:
    """The compute capability of the first CUDA device; None without one, or if none is told."""
    told = next((d.compute_capability for d in cuda_devices()), None)
    if told is None:
        return None
    major, minor = told.split(".")
    return int(major), int(minor)


def parse_nvidia_smi(text: str, fields: Sequence[str] = ()) -> tuple[Device, ...]:
    """The devices in the CSV that nvidia-smi prints for ``fields``, all by default."""
    names = fields or _FIELDS
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    facts = [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]
    return tuple(
        Device(
            index=fact["index"],
            name=fact["name"],
            uuid=fact["uuid"],
            compute_capability=fact.get("compute_cap"),
            memory_mib=fact["memory.total"],
            driver=fact["driver_version"],
        )
        for fact in facts
    )


def visible(devices: tuple[Device, ...], selection: str | None) -> tuple[Device, ...]:
    """``devices`` as CUDA_VISIBLE_DEVICES selects and orders them (indices or uuids).

    As in the CUDA runtime, the first unknown entry hides itself and all that follow.
    """
    if selection is None:
        return devices
    chosen: list[Device] = []
    for entry in filter(None, (part.strip() for part in selection.split(","))):
        match = [d for d in devices if entry == d.index or d.uuid.startswith(entry)]
        if not match:
            break
        chosen.append(match[0])
    return tuple(chosen)


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """The processor's name as the operating system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_precision() -> str:
    """``bf16`` where the processor computes in it, else ``fp32``."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "fp32"
    return "bf16" if flags & _CPU_BF16_FLAGS else "fp32"


def detected_gpu() -> str:
    """The option of the group ``gpu`` that fits this machine's first visible device."""
    devices = cuda_devices()
    return option_for(devices[0].name) if devices else "cpu"


def option_for(device_name: str) -> str:
    """The option of the group ``gpu`` whose patterns match a driver's device name."""
    for file in sorted((CONF_DIR / "gpu").glob("*.yaml")):
        patterns = OmegaConf.select(OmegaConf.load(file), "device_names") or []
        if any(re.search(pattern, device_name) for pattern in patterns):
            return file.stem
    return "cuda"


def fits(gpu: GpuConfig, device: Device) -> bool:
    """Whether the option ``gpu`` means ``device``; one without patterns means the first's like."""
    patterns = gpu.device_names
    if not patterns:
        return device.name == cuda_devices()[0].name
    return any(re.search(pattern, device.name) for pattern in patterns)


def matching_devices(gpu: GpuConfig) -> tuple[Device, ...]:
    """The devices present that the option ``gpu`` means."""
    return tuple(device for device in cuda_devices() if fits(gpu, device))


def check_present(gpu: GpuConfig) -> None:
    """Refuse a ``gpu`` that no device present is. Raises ConfigError."""
    if gpu.kind == "cpu":
        return
    found = cuda_devices()
    if not found:
        raise ConfigError(
            f"gpu={gpu.name}: this machine has no CUDA device ({cpu_name()}); "
            "use gpu=cpu, or gpu=auto for what is there"
        )
    if not matching_devices(gpu):
        raise ConfigError(
            f"gpu={gpu.name}: the device here is {found[0].name!r}; "
            f"use gpu={option_for(found[0].name)}, or gpu=auto"
        )


def foreign_processes(device: Device) -> list[str]:
    """The processes that compute on ``device`` now, in words; asked while no worker of ours does.

    Empty where the driver does not tell.
    """
    nvidia_smi = shutil.which("nvidia-smi")
    if nvidia_smi is None:
        return []
    query = [nvidia_smi, f"--query-compute-apps={','.join(_APP_FIELDS)}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_compute_apps(answer.stdout, device.uuid)


def parse_compute_apps(text: str, uuid: str) -> list[str]:
    """The processes on the device ``uuid`` in nvidia-smi's CSV of ``_APP_FIELDS``."""
    rows = [[part.strip() for part in line.split(",", 2)] for line in text.splitlines()]
    return [f"{row[2]} (process {row[1]})" for row in rows if len(row) == 3 and row[0] == uuid]
