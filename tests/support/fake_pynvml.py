"""pynvml of a simulated machine: the functions that sd_bench calls. Its energy counter runs.

Functions that the machine's driver refuses raise the same error as the real ones.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

NVML_TEMPERATURE_GPU = 0
NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2
NVML_FI_DEV_POWER_INSTANT = 186
_ERROR_NOT_FOUND, _ERROR_FUNCTION_NOT_FOUND = 6, 13
_GPU_IDLE = 1
_CLOCKS = {NVML_CLOCK_SM: "clocks.current.sm", NVML_CLOCK_MEM: "clocks.current.memory"}
_BESIDE = Path(__file__).resolve().with_name("machine.json")


class NVMLError(Exception):
    """As pynvml's own; ``value`` is NVML's return code."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


class NVMLError_FunctionNotFound(NVMLError):  # noqa: N801, N818
    pass


class NVMLError_NotFound(NVMLError):  # noqa: N801, N818
    pass


F = TypeVar("F", bound=Callable[..., Any])


def _unless_refused(function: F) -> F:
    """``function``, or a function that raises the error that the machine has for its name."""

    @functools.wraps(function)
    def asked(*arguments: Any) -> Any:
        code = json.loads(_BESIDE.read_text())["nvml_refuses"].get(function.__name__)
        if code == _ERROR_FUNCTION_NOT_FOUND:
            raise NVMLError_FunctionNotFound(code)
        if code is not None:
            raise NVMLError(code)
        return function(*arguments)

    return asked  # type: ignore[return-value]


@_unless_refused
def nvmlInit() -> None:  # noqa: N802
    pass


def nvmlShutdown() -> None:  # noqa: N802
    pass


def _gpus() -> list[dict[str, Any]]:
    gpus: list[dict[str, Any]] = json.loads(_BESIDE.read_text(encoding="utf-8"))["gpus"]
    return gpus


def nvmlDeviceGetCount() -> int:  # noqa: N802
    return len(_gpus())


def nvmlDeviceGetHandleByIndex(index: int) -> dict[str, str]:  # noqa: N802
    if index >= len(_gpus()):
        raise NVMLError_NotFound(_ERROR_NOT_FOUND)
    fields: dict[str, str] = _gpus()[index]["fields"]
    return fields


def nvmlDeviceGetHandleByUUID(uuid: str | bytes) -> dict[str, str]:  # noqa: N802
    name = uuid.decode() if isinstance(uuid, bytes) else uuid
    for index, gpu in enumerate(_gpus()):
        if gpu["uuid"] == name:
            return nvmlDeviceGetHandleByIndex(index)
    raise NVMLError_NotFound(_ERROR_NOT_FOUND)


def nvmlDeviceGetClockInfo(gpu: dict[str, str], clock: int) -> int:  # noqa: N802
    return int(gpu[_CLOCKS[clock]])


def nvmlDeviceGetTemperature(gpu: dict[str, str], sensor: int) -> int:  # noqa: N802
    return int(gpu["temperature.gpu"])


def nvmlDeviceGetPowerUsage(gpu: dict[str, str]) -> int:  # noqa: N802
    return round(float(gpu["power.draw"]) * 1e3)


@_unless_refused
def nvmlDeviceGetTotalEnergyConsumption(gpu: dict[str, str]) -> int:  # noqa: N802
    """Millijoules since the host was started, at the power that it draws."""
    return round(float(gpu["power.draw"]) * time.monotonic() * 1e3)


@_unless_refused
def nvmlDeviceGetUtilizationRates(gpu: dict[str, str]) -> SimpleNamespace:  # noqa: N802
    return SimpleNamespace(gpu=0, memory=0)


@_unless_refused
def nvmlDeviceGetCurrentClocksEventReasons(gpu: dict[str, str]) -> int:  # noqa: N802
    return _GPU_IDLE


def nvmlDeviceGetCurrentClocksThrottleReasons(gpu: dict[str, str]) -> int:  # noqa: N802
    return _GPU_IDLE


@_unless_refused
def nvmlDeviceGetFieldValues(gpu: dict[str, str], fields: list[int]) -> list[Any]:  # noqa: N802
    """The instant power in milliwatts; other fields are not supported (3)."""
    power = SimpleNamespace(uiVal=nvmlDeviceGetPowerUsage(gpu))
    known = {NVML_FI_DEV_POWER_INSTANT: SimpleNamespace(nvmlReturn=0, value=power)}
    return [known.get(field, SimpleNamespace(nvmlReturn=3)) for field in fields]


def nvmlDeviceGetComputeRunningProcesses(gpu: dict[str, str]) -> list[Any]:  # noqa: N802
    computing = _computing() if gpu == nvmlDeviceGetHandleByIndex(0) else {}
    return [SimpleNamespace(pid=pid, usedGpuMemory=None) for pid in computing]


def nvmlSystemGetProcessName(pid: int) -> str:  # noqa: N802
    if pid not in _computing():
        raise NVMLError_NotFound(_ERROR_NOT_FOUND)
    return _computing()[pid]


def _computing() -> dict[int, str]:
    return dict(json.loads(_BESIDE.read_text())["computing"])
