"""Group rounds into cells: all rounds of one cell in one environment, from any number of sweeps."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sd_bench.records import Record
from sd_bench.verdicts.axes import Choice, read_choices
from sd_bench.verdicts.environments import UNKNOWN, Label, label_environments
from sd_bench.verdicts.planned_looks import PlannedLooks
from sd_bench.verdicts.rounds import Round, RoundKey, find_upcasts, name_rounds, read_round

#: Where a cell ran: its version of PyTorch, environment, machine and device.
PLACES = ("torch", "env", "machine", "device")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """A cell, as far as its comparison needs; two are equal only if they are the same object.

    ``runs`` are the seconds of its rounds with times, ``planned`` the looks that were planned for
    them, ``worker_s`` the mean seconds that a round's worker runs (NaN if unknown). ``status`` is
    ``ok`` if a round has times, else ``reason`` says why none has.
    """

    choices: Mapping[str, Choice]
    cell_hash: str
    env: str
    machine: str
    torch: str
    device: str
    status: str
    reason: str
    runs: Mapping[RoundKey, float]
    sweep_folders: frozenset[str]
    planned: Mapping[RoundKey, PlannedLooks] = field(default_factory=dict)
    worker_s: float = math.nan

    @property
    def is_measured(self) -> bool:
        """Whether the cell has, or is planned to have, a round with times."""
        return self.status == "ok"

    def __getitem__(self, axis: str) -> Choice:
        """The cell's value on an axis, or one of its `PLACES`."""
        return getattr(self, axis) if axis in PLACES else self.choices[axis]


def plan_cell(
    choices: Mapping[str, Any], cell_hash: str, torch: str = UNKNOWN, reason: str = ""
) -> Cell:
    """A cell before its first round, for `pair_cells`; with a ``reason`` it cannot run.

    ``choices`` are as in a record. Environments, which `label_environments` later distinguishes by
    the rounds, are distinguished by ``torch_env``; the machine has the GPU's name.
    """
    chosen = read_choices(choices)
    gpu = str(chosen["gpu"] or UNKNOWN)
    return Cell(
        choices=chosen | {"gpu": gpu},
        cell_hash=cell_hash,
        env=f"{gpu}, {chosen['torch_env']}",
        machine=gpu,
        torch=torch,
        device=gpu,
        status="unsupported" if reason else "ok",
        reason=reason,
        runs={},
        sweep_folders=frozenset(),
    )


def pool_records(records: Iterable[Record]) -> list[Cell]:
    """The cells of one or more sweeps with different names, in the order of their first rounds."""
    return pool_rounds(read_round(record) for record in records)


def pool_rounds(rounds: Iterable[Round]) -> list[Cell]:
    """The cells to which ``rounds`` belong, in the order of their first rounds."""
    listed = list(rounds)
    upcasts = find_upcasts((each.cell_hash, each.choices["upcast"]) for each in listed)
    members: dict[tuple[object, ...], list[Round]] = defaultdict(list)
    labels: dict[str, Label] = {}
    for each, label in zip(
        listed,
        label_environments([each.place for each in listed], [each.status for each in listed]),
        strict=True,
    ):
        choices = {**each.choices, "upcast": each.choices["upcast"] or upcasts.get(each.cell_hash)}
        labels[label.env] = label
        key = (each.cell_hash, label.env, *choices.values())
        members[key].append(dataclasses.replace(each, choices=choices))
    return [_cell(of_cell, labels[str(key[1])]) for key, of_cell in members.items()]


def common_status(statuses: Iterable[str]) -> str:
    """``ok`` if any status is ``ok``, else the most frequent one."""
    counts = Counter(statuses)
    return "ok" if "ok" in counts else counts.most_common(1)[0][0]


def mean_known(values: Iterable[float]) -> float:
    """The mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _cell(rounds: list[Round], label: Label) -> Cell:
    first, ok = rounds[0], [each for each in rounds if each.status == "ok"]
    names = name_rounds((each.place.sweep_folder, each.number, each.path) for each in ok)
    named = list(zip(names, ok, strict=True))
    return Cell(
        choices=first.choices,
        cell_hash=first.cell_hash,
        env=label.env,
        machine=label.machine,
        torch=(ok or rounds)[0].place.torch,
        device=label.device,
        status=common_status(each.status for each in rounds),
        reason="; ".join(dict.fromkeys(each.reason for each in rounds if each.reason)),
        runs={name: each.runtime_s for name, each in named},
        sweep_folders=frozenset(each.place.sweep_folder for each in rounds),
        planned={name: each.planned for name, each in named if each.planned},
        worker_s=mean_known(each.worker_s for each in ok),
    )
