"""Slots: one worker each, only for cells that belong there, round after round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sd_bench.capabilities import devices
from sd_bench.capabilities.nvidia_driver import (
    foreign_processes,
    parse_compute_apps,
    parse_nvidia_smi,
)
from sd_bench.config.schema import GpuConfig
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.slots import Slot, Slots, slots_for
from sd_bench.execution.sweep import run_sweep
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.execution.time_account import Account
from sd_bench.execution.timing import Timing
from sd_bench.records import Record
from sd_bench.verdicts.comparisons import Comparison
from tests.support.composition import Compose

SMI = "".join(
    f"{index}, {name}, GPU-{index}, {capability}, 40960, 535\n"
    for index, (name, capability) in enumerate([
        ("Tesla T4", "7.5"), ("NVIDIA A100-SXM4-40GB", "8.0"), ("NVIDIA A100-SXM4-40GB", "8.0"),
    ])
)  # fmt: skip


class Diary:
    """A watcher that notes every event."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def calibrating(self) -> None:
        self.events.append(("calibrating", 0))

    def looked(self, rounds: int, comparisons: Sequence[Comparison], going_on: int) -> None:
        pass

    def budget_spent(self) -> None:
        self.events.append(("budget spent", 0))

    def resting(self, cells: Sequence[PlannedCell], after: int, rounds: int) -> None:
        self.events.append(("resting", len(cells)))

    def measuring_again(self, planned: PlannedCell, reasons: list[str]) -> None:
        self.events.append(("again", 0))

    def planned(
        self, plan: list[PlannedCell], finished: Finished, looks: SweepLooks, timing: Timing
    ) -> None:
        self.events.append(("planned", len(plan)))

    def round_started(self, planned: PlannedCell, round_index: int) -> None:
        self.events.append(("started", round_index))

    def phase(self, name: str) -> None:
        pass

    def round_ended(self, planned: PlannedCell, record: Record) -> None:
        self.events.append(("ended", record.round))

    def warned(self, sentence: str) -> None:
        self.events.append(("warned", 0))

    def ended(
        self,
        plan: list[PlannedCell],
        records: list[list[Record]],
        account: Account | None,
        comparisons: Sequence[Comparison],
    ) -> None:
        assert account is not None
        self.events.append(("account", account.rounds))


@pytest.mark.slow
def test_two_slots_run_two_workers_and_a_round_waits_for_the_one_before(
    tiny: Compose, tmp_path: Path
) -> None:
    configs = [
        tiny("protocol=smoke", "protocol.rounds=2", "sampler.steps=1", f"attention={attention}")
        for attention in ("original", "math", "xformers")
    ]
    cells = [
        Cell(config=c, index=i, label="", folder=tmp_path / str(i), sweep_folder=tmp_path)
        for i, c in enumerate(configs)
    ]
    diary = Diary()
    places = [Slot(environment={"TORCH_PLACE": name}) for name in ("a", "b")]
    result = run_sweep(cells, diary, tmp_path, [], Slots(places, at_once=2))
    assert not result.failed
    assert [len(of_cell) for of_cell in result.records] == [2, 2, 1]
    ran = [record for of_cell in result.records[:2] for record in of_cell]
    for round_index in (0, 1):
        same_round = [r for r in ran if r.round == round_index]
        used = {r.environment["variables"]["TORCH_PLACE"] for r in same_round}
        assert used == {"a", "b"}  # both at once, each in its own
    real = [event for event in diary.events if event[0] in ("started", "ended")]
    assert {r for _, r in real[:6]} == {0}
    assert real[6:] == [("started", 1), ("started", 1), ("ended", 1), ("ended", 1)]
    assert diary.events[-1] == ("account", 4)


def taken(slots: Slots, gpu: GpuConfig) -> Slot | None:
    found = slots.take(gpu)
    return None if found is None else found[0]


def test_a_slot_is_handed_out_once_and_never_more_than_allowed(compose_config: Compose) -> None:
    cpu = compose_config("gpu=cpu").gpu
    slots = Slots([Slot(environment={"N": "1"}), Slot(environment={"N": "2"})], at_once=2)
    first, second = taken(slots, cpu), taken(slots, cpu)
    assert first is not None
    assert second is not None
    assert first != second
    assert slots.take(cpu) is None
    slots.give_back(first)
    assert taken(slots, cpu) == first
    one_at_a_time = Slots([Slot(), Slot()], at_once=1)
    assert one_at_a_time.take(cpu) is not None
    assert one_at_a_time.take(cpu) is None


@pytest.mark.slow
def test_a_worker_gets_a_gpu_that_its_cell_names(
    compose_config: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SD_BENCH_LOCK_DIR", str(tmp_path))  # what is taken here stays taken
    there = parse_nvidia_smi(SMI)
    monkeypatch.setattr(devices, "cuda_devices", lambda: there)
    t4, a100 = compose_config("gpu=t4", "num_gpus=all"), compose_config("gpu=a100", "num_gpus=all")
    slots = slots_for([t4, a100])
    assert slots.at_once == 2
    found = [taken(slots, a100.gpu), taken(slots, t4.gpu)]
    assert [s.environment["CUDA_VISIBLE_DEVICES"] for s in found if s] == ["GPU-1", "GPU-0"]
    assert slots.take(a100.gpu) is None  # two at once are allowed
    assert found[1] is not None
    slots.give_back(found[1])
    last = taken(slots, a100.gpu)
    assert last is not None
    assert last.environment["CUDA_VISIBLE_DEVICES"] == "GPU-2"
    assert slots_for([compose_config("gpu=a100")]).at_once == 1
    with_cpu = slots_for([a100, compose_config("gpu=cpu")])
    assert with_cpu.at_once == 1  # the processor's cell would take it from the GPUs' workers
    with pytest.raises(ConfigError, match="this machine has 2 for gpu=a100"):
        slots_for([compose_config("gpu=a100", "num_gpus=3")])


def test_foreign_processes_are_those_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "GPU-1, 42, /usr/bin/python, train.py\nGPU-0, 7, Xorg\n\n"
    assert parse_compute_apps(text, "GPU-1") == ["/usr/bin/python, train.py (process 42)"]
    assert parse_compute_apps("No running processes found\n", "GPU-1") == []
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\nprintf '{text.encode('unicode_escape').decode()}'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert foreign_processes(parse_nvidia_smi(SMI)[0]) == ["Xorg (process 7)"]
    assert foreign_processes(parse_nvidia_smi(SMI)[2]) == []
