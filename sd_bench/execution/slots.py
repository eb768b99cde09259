"""Slots: places where one worker runs at a time, a GPU each, or the processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sd_bench.capabilities.devices import fits, matching_devices
from sd_bench.capabilities.nvidia_driver import Device
from sd_bench.config.schema import Config, GpuConfig
from sd_bench.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """``environment`` is what a worker in it gets on top of the launcher's own."""

    device: Device | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def suits(self, gpu: GpuConfig) -> bool:
        if self.device is None:
            return gpu.kind == "cpu"
        return gpu.kind == "cuda" and fits(gpu, self.device)


class Slots:
    """Hands each slot to one worker at a time, and no more than ``at_once`` in all."""

    def __init__(self, slots: Sequence[Slot], at_once: int) -> None:
        self._free = list(slots)
        self._left = at_once
        self.at_once = at_once

    def slot_for(self, config: Config) -> Slot | None:
        """A slot for a cell, which nobody else has as yet; it is not taken."""
        return next((slot for slot in self._free if slot.suits(config.gpu)), None)

    def take(self, gpu: GpuConfig) -> Slot | None:
        """A slot for a cell on ``gpu``, or ``None`` until one is given back."""
        slot = next((slot for slot in self._free if slot.suits(gpu)), None)
        if slot is None or self._left == 0:
            return None
        self._free.remove(slot)
        self._left -= 1
        return slot

    def give_back(self, slot: Slot) -> None:
        self._free.append(slot)
        self._left += 1


def slots_for(configs: Sequence[Config]) -> Slots:
    """As many GPUs as ``num_gpus`` says, of each kind that the cells name.

    One worker at a time if a cell runs on the processor: it would take the others' from them.
    Raises ConfigError if there are fewer.
    """
    found: dict[str, Slot] = {}
    at_once = 1
    for config in configs:
        devices = _devices(config)
        at_once = max(at_once, len(devices))
        for device in devices:
            environment = {"CUDA_VISIBLE_DEVICES": device.uuid}
            found[device.uuid] = Slot(device=device, environment=environment)
    if any(config.gpu.kind == "cpu" for config in configs):
        return Slots([*found.values(), Slot()], at_once=1)
    return Slots(list(found.values()), at_once)


def _devices(config: Config) -> Sequence[Device]:
    wanted, gpu = config.num_gpus, config.gpu
    if gpu.kind == "cpu":
        if wanted not in ("1", "all"):
            raise ConfigError(f"num_gpus={wanted}: gpu={gpu.name} runs one worker at a time")
        return ()
    devices = matching_devices(gpu)
    if wanted == "all":
        return devices
    if len(devices) < int(wanted):
        raise ConfigError(
            f"num_gpus={wanted}: this machine has {len(devices)} for gpu={gpu.name}; ask for that "
            "many, or for all"
        )
    return devices[: int(wanted)]
