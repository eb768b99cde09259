"""Peak memory of the process and of the device, in bytes."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from sd_bench.records import Memory


def reset_device_peak(device: torch.device) -> None:
    """Reset the device's peak memory, so that it covers sampling but not building."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def read_memory(device: torch.device) -> Memory:
    """The round's peak memory in bytes; a peak that cannot be read is None, with a note."""
    notes = {}
    process_peak = _process_peak_bytes()
    if process_peak is None:
        notes["process_peak_bytes"] = "the operating system has no /proc/self/status"
    if device.type != "cuda":
        notes["device_peak_allocated_bytes"] = notes["device_peak_reserved_bytes"] = (
            "the device is the CPU: its memory is the process's"
            if device.type == "cpu"
            else f"peak memory is not read for PyTorch's device type {device.type}"
        )
        return Memory(
            process_peak_bytes=process_peak,
            device_peak_allocated_bytes=None,
            device_peak_reserved_bytes=None,
            notes=notes,
        )
    return Memory(
        process_peak_bytes=process_peak,
        device_peak_allocated_bytes=torch.cuda.max_memory_allocated(device),
        device_peak_reserved_bytes=torch.cuda.max_memory_reserved(device),
        notes=notes,
    )


def _process_peak_bytes() -> int | None:
    """VmHWM, which unlike ru_maxrss does not start at the parent's size."""
    try:
        match = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None
