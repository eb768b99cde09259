"""Slots: each is a GPU, or the processor, on which one worker runs at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sd_bench.capabilities.devices import fits, matching_devices
from sd_bench.capabilities.nvidia_driver import Device
from sd_bench.config.schema import Config, GpuConfig
from sd_bench.errors import ConfigError
from sd_bench.execution.device_lock import Claim, DeviceLock, claims_on, lock_folder

#: Seconds between two tries to take a device that another command measures on.
ASK_AGAIN_S = 0.1
WAITING = "another command measures on the same device: waiting for its round to end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one worker; ``device`` is its GPU, or None for the processor.

    ``environment`` are variables that a worker in it gets in addition to the launcher's. ``claims``
    are the locks to hold while a worker runs in it.
    """

    device: Device | None = None
    environment: dict[str, str] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    def suits(self, gpu: GpuConfig) -> bool:
        if self.device is None:
            return gpu.kind != "cuda"
        return gpu.kind == "cuda" and fits(gpu, self.device)


class Slots:
    """Gives each slot to one worker at a time, and at most ``at_once`` slots in all.

    Locks in the folder ``locks`` keep other commands on this machine from a slot that is in use.
    """

    def __init__(self, slots: Sequence[Slot], at_once: int, locks: Path | None = None) -> None:
        self._locks = [(slot, DeviceLock(slot.claims, locks or Path())) for slot in slots]
        self._free = list(self._locks)
        self._left = at_once
        self.at_once = at_once
        self._is_refused = False

    def take(self, gpu: GpuConfig) -> tuple[Slot, float] | None:
        """A slot for a cell on ``gpu`` and the seconds that other commands kept it, or ``None``.

        After ``None`` try again once a slot is given back, or in a moment if ``waits()``.
        """
        for slot, lock in self._free if self._left else ():
            if slot.suits(gpu):
                if lock.try_to_take():
                    self._free.remove((slot, lock))
                    self._left -= 1
                    self.stop_waiting()
                    return slot, lock.waited_s
                self._is_refused = True
        return None

    def waits(self) -> bool:
        """Whether another command has held a wanted slot since the last call of this method."""
        refused, self._is_refused = self._is_refused, False
        return refused

    def give_back(self, slot: Slot) -> None:
        pair = next(pair for pair in self._locks if pair[0] is slot)
        pair[1].release()
        self._free.append(pair)
        self._left += 1

    @contextmanager
    def reserved(self, gpu: GpuConfig, warned: Callable[[str], None]) -> Iterator[Slot]:
        """A slot for something short before the first round; waits for one, with a message."""
        while (found := self.take(gpu)) is None:
            warned(WAITING)
            time.sleep(ASK_AGAIN_S)
        try:
            yield found[0]
        finally:
            self.give_back(found[0])

    def add_variables(self, variables: Mapping[str, str]) -> None:
        """Add environment variables for every worker from now on, while no slot is taken."""
        self._locks = [
            (replace(slot, environment={**slot.environment, **variables}), lock)
            for slot, lock in self._locks
        ]
        self._free = list(self._locks)

    def stop_waiting(self) -> None:
        """Release the locks taken so far for slots that are waited for."""
        for _, lock in self._free:
            lock.release()


def slots_for(configs: Sequence[Config]) -> Slots:
    """The slots for the cells: ``num_gpus`` GPUs of each kind that they name, or the processor.

    If any cell runs on the processor, one worker runs at a time: workers would share processors.
    Raises ConfigError if there are fewer GPUs, or no folder for locks.
    """
    folder = lock_folder()
    found: dict[str, Slot] = {}
    at_once = 1
    for config in configs:
        devices = _devices(config)
        at_once = max(at_once, len(devices))
        for device in devices:
            environment = {"CUDA_VISIBLE_DEVICES": device.uuid}
            found[device.uuid] = Slot(
                device=device, environment=environment, claims=claims_on(device)
            )
    if any(config.gpu.kind != "cuda" for config in configs):
        return Slots([*found.values(), Slot(claims=claims_on(None))], at_once=1, locks=folder)
    return Slots(list(found.values()), at_once, folder)


def _devices(config: Config) -> Sequence[Device]:
    wanted, gpu = config.num_gpus, config.gpu
    if gpu.kind != "cuda":
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
