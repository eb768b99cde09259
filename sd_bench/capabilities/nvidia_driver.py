"""What the NVIDIA driver reports, through nvidia-smi and NVML, without importing torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FIELDS = ("index", "name", "uuid", "compute_cap", "memory.total", "driver_version")
#: Whether a GPU is divided into slices; known to drivers from 450 on.
_MIG = "mig.mode.current"
#: Queries to try until one works: an old driver refuses a query with a field it does not know.
_QUERIES = (
    (*_FIELDS, _MIG),
    _FIELDS,
    tuple(field for field in (*_FIELDS, _MIG) if field != "compute_cap"),
    tuple(field for field in _FIELDS if field != "compute_cap"),
)
_APP_FIELDS = ("gpu_uuid", "pid", "process_name")
_TIMEOUT_S = 60
_EXIT_CODE = "ended with exit code"
_FULL_UUID = re.compile(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Files that exist only where there is a GPU: device files, and the driver's entries.
_SIGNS_OF_A_DEVICE = ("/dev/nvidia[0-9]*", "/proc/driver/nvidia/gpus/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One CUDA device as its driver reports it; an old driver does not report the capability.

    ``is_divided`` is whether it is in MIG mode, in which a process gets at most a slice of it.
    """

    index: str
    name: str
    uuid: str
    compute_capability: str | None
    memory_mib: str
    driver: str
    is_divided: bool = False


@dataclass(frozen=True, slots=True)
class Detection:
    """The CUDA devices that a worker would see, in its order.

    ``why_none`` says why there are none although the machine has a GPU. It is None if the machine
    has none, or if CUDA_VISIBLE_DEVICES hides all on purpose (empty, or -1).
    """

    devices: tuple[Device, ...]
    why_none: str | None = None


def ask_nvidia_smi(*arguments: str) -> tuple[str, str | None]:
    """What nvidia-smi prints, and what went wrong in one line, or None.

    It may print a full answer and fail all the same (a corrupt infoROM: exit code 14).
    """
    nvidia_smi = shutil.which("nvidia-smi")
    if nvidia_smi is None:
        return "", "nvidia-smi is not on the PATH"
    try:
        answer = subprocess.run(
            [nvidia_smi, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return "", f"nvidia-smi did not answer within {_TIMEOUT_S} s"
    except OSError as error:
        return "", f"nvidia-smi cannot be started ({error.strerror})"
    if answer.returncode == 0:
        return answer.stdout, None
    words = " ".join(f"{answer.stdout} {answer.stderr}".split())
    return answer.stdout, f"nvidia-smi {_EXIT_CODE} {answer.returncode}: {words[:200]}"


@lru_cache(maxsize=1)
def detect() -> Detection:
    """The devices of this machine; the driver is asked once per process."""
    there: tuple[Device, ...] = ()
    for fields in _QUERIES:
        query = f"--query-gpu={','.join(fields)}"
        text, trouble = ask_nvidia_smi(query, "--format=csv,noheader,nounits")
        there = parse_nvidia_smi(text, fields)
        if there or (trouble is not None and _EXIT_CODE not in trouble):  # it never ran to its end
            break
    if not there:
        return Detection((), _why_unread(trouble))
    selection = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = visible(there, selection)
    whole = tuple(device for device in chosen if not device.is_divided)
    if chosen and not whole:
        return Detection((), _why_divided(chosen))
    return Detection(whole, None if whole else _why_hidden(there, selection or ""))


def cuda_devices() -> tuple[Device, ...]:
    """The CUDA devices that a worker would see, in its order; empty if none can be used."""
    return detect().devices


def first_uuid() -> str | None:
    """The first device's uuid, without asking the driver if the launcher has selected one."""
    selected = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    if _FULL_UUID.fullmatch(selected):
        return selected
    return next((device.uuid for device in cuda_devices()), None)


def _why_unread(trouble: str | None) -> str | None:
    for pattern in _SIGNS_OF_A_DEVICE:
        sign = next(iter(sorted(Path("/").glob(pattern.removeprefix("/")))), None)
        if sign is not None:
            return f"there is an NVIDIA device ({sign}), but {trouble or 'nvidia-smi lists none'}"
    return None


def _why_hidden(there: tuple[Device, ...], selection: str) -> str | None:
    first = selection.partition(",")[0].strip()
    if first in ("", "-1"):
        return None
    if first.startswith("MIG") or ":" in first:
        return f"CUDA_VISIBLE_DEVICES={selection}: MIG slices are not supported; select a whole GPU"
    names = ", ".join(f"{device.index} ({device.name})" for device in there)
    return f"CUDA_VISIBLE_DEVICES={selection} selects none of the devices here: {names}"


def _why_divided(chosen: tuple[Device, ...]) -> str:
    names = ", ".join(f"{device.index} ({device.name})" for device in chosen)
    return (
        f"GPU {names} is in MIG mode, and slices are not supported: select another GPU, or ask "
        f"an administrator to turn it off (nvidia-smi --id={chosen[0].index} "
        "--multi-instance-gpu=0)"
    )


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
            is_divided=fact.get(_MIG) == "Enabled",
        )
        for fact in facts
        if fact["uuid"].startswith("GPU-")
    )


def visible(devices: tuple[Device, ...], selection: str | None) -> tuple[Device, ...]:
    """``devices`` as CUDA_VISIBLE_DEVICES selects and orders them (indices or uuids).

    As in the CUDA runtime, an unknown entry ends the list.
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


def foreign_processes(device: Device) -> list[str]:
    """The processes that compute on ``device`` now, in words; ask while no worker of ours runs.

    Empty if the driver does not report them. NVML is used if it is installed and stays open, which
    saves each worker the seconds that a driver without persistence mode takes to wake its GPU.
    """
    nvml = _nvml()
    if nvml is not None:
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(device.uuid)
            running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            return [f"{_process_name(nvml, p.pid)} (process {p.pid})" for p in running]
        except nvml.NVMLError:
            return []
    query = f"--query-compute-apps={','.join(_APP_FIELDS)}"
    text, _ = ask_nvidia_smi(query, "--format=csv,noheader")
    return parse_compute_apps(text, device.uuid)


def parse_compute_apps(text: str, uuid: str) -> list[str]:
    """The processes on the device ``uuid`` in nvidia-smi's CSV of ``_APP_FIELDS``."""
    rows = [[part.strip() for part in line.split(",", 2)] for line in text.splitlines()]
    return [f"{row[2]} (process {row[1]})" for row in rows if len(row) == 3 and row[0] == uuid]


@lru_cache(maxsize=1)
def _nvml() -> Any:
    """The module ``pynvml``, initialised until this process ends; None without it or a driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _process_name(nvml: Any, pid: int) -> str:
    try:
        name = nvml.nvmlSystemGetProcessName(pid)
    except nvml.NVMLError:
        return "a process of another container or user"
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
