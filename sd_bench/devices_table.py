"""The devices of ``conf/gpu/``, in the order in which they are shown.

They are read without Hydra; to add a device, add a file there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from sd_bench.paths import CONF_DIR


@cache
def list_devices() -> tuple[str, ...]:
    """Names of devices: the CPU, GPUs from the slowest by fp16 peak and bandwidth, then others.

    That is also the order of the published study: P100, T4, A10, V100, A100.
    """
    return tuple(device["name"] for device in sorted(_devices(), key=_display_order))


@cache
def list_capabilities() -> dict[str, tuple[int, int]]:
    """The compute capability of each device that has one."""
    return {
        device["name"]: _pair(device["compute_capability"])
        for device in _devices()
        if "compute_capability" in device
    }


def _devices() -> list[dict[str, Any]]:
    files = sorted((CONF_DIR / "gpu").glob("*.yaml"))
    options = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    return [option for option in options if "name" in option]


def _pair(capability: str) -> tuple[int, int]:
    major, minor = capability.split(".")
    return int(major), int(minor)


def _display_order(device: dict[str, Any]) -> tuple[bool, bool, float, float, str]:
    peak = (device.get("peak_tflops") or {}).get("fp16") or 0.0
    bandwidth = device.get("bandwidth_gb_per_s") or 0.0
    is_gpu = device["kind"] != "cpu"
    return (is_gpu, is_gpu and not peak, peak, bandwidth, device["name"])
