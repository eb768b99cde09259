"""Slots: places where one worker runs at a time, a GPU each, or the processor."""

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

#: How often a device is asked for that another command measures on.
ASK_AGAIN_S = 0.1
WAITING = "another command measures on the same device: waiting for its round to end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """``environment`` is what a worker in it gets on top of the launcher's own.

    ``claims`` are what no other command may have while a worker runs in it.
    """

    device: Device | None = None
    environment: dict[str, str] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    def suits(self, gpu: GpuConfig) -> bool:
        if self.device is None:
            return gpu.kind != "cuda"
        return gpu.kind == "cuda" and fits(gpu, self.device)


class Slots:
    """Hands each slot to one worker at a time, and no more than ``at_once`` in all.

    Other commands on this machine are kept from it meanwhile, by locks in the folder ``locks``.
    """

    def __init__(self, slots: Sequence[Slot], at_once: int, locks: Path | None = None) -> None:
        self._locks = [(slot, DeviceLock(slot.claims, locks or Path())) for slot in slots]
        self._free = list(self._locks)
        self._left = at_once
        self.at_once = at_once
        self._is_refused = False

    def take(self, gpu: GpuConfig) -> tuple[Slot, float] | None:
        """A slot for a cell on ``gpu``, and the seconds that other commands kept it; or ``None``.

        Ask again later then: once a slot is given back, or, if ``waits``, in a moment.
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
        """Whether another command has had a slot that was to be taken since this was last asked."""
        refused, self._is_refused = self._is_refused, False
        return refused

    def give_back(self, slot: Slot) -> None:
        pair = next(pair for pair in self._locks if pair[0] is slot)
        pair[1].release()
        self._free.append(pair)
        self._left += 1

    @contextmanager
    def reserved(self, gpu: GpuConfig, warned: Callable[[str], None]) -> Iterator[Slot]:
        """A slot for something short before the first round; waits for it, with a message."""
        while (found := self.take(gpu)) is None:
            warned(WAITING)
            time.sleep(ASK_AGAIN_S)
        try:
            yield found[0]
        finally:
            self.give_back(found[0])

    def add_variables(self, variables: Mapping[str, str]) -> None:
        """Give them to every worker from now on. No slot may be taken."""
        self._locks = [
            (replace(slot, environment={**slot.environment, **variables}), lock)
            for slot, lock in self._locks
        ]
        self._free = list(self._locks)

    def stop_waiting(self) -> None:
        """Take nothing any more of what is waited for."""
        for _, lock in self._free:
            lock.release()


def slots_for(configs: Sequence[Config]) -> Slots:
    """As many GPUs as ``num_gpus`` says, of each kind that the cells name.

    One worker at a time if a cell runs on the processor: it would take the others' from them.
    Raises ConfigError if there are fewer, or no folder for locks.
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
