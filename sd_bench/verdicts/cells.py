"""Rounds as cells: all rounds of one cell in one environment, from however many sweeps."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sd_bench.records import Record
from sd_bench.statistics.intervals import mean_interval
from sd_bench.statistics.significance import RoundKey
from sd_bench.verdicts.axes import Choice
from sd_bench.verdicts.environments import label_environments
from sd_bench.verdicts.rounds import Round, collect_runs, find_upcasts, read_round


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """What decides how a cell is compared; two cells are equal only if they are the same object.

    ``runs`` are the seconds of its rounds with times. ``status`` is ``ok`` if there is one, else
    ``reason`` says why there is none.
    """

    choices: Mapping[str, Choice]
    cell_hash: str
    env: str
    machine: str
    torch: str
    status: str
    reason: str
    runs: Mapping[RoundKey, float]
    sweep_folders: frozenset[str]

    @property
    def is_measured(self) -> bool:
        """Whether it has a round with times."""
        return self.status == "ok"

    @property
    def mean_s(self) -> float:
        """Mean seconds over its rounds, NaN without one."""
        return mean_interval(list(self.runs.values())).mean

    def __getitem__(self, axis: str) -> Choice:
        """Its value on an axis, or its ``torch``, ``env`` or ``machine``."""
        places = {"torch": self.torch, "env": self.env, "machine": self.machine}
        return places[axis] if axis in places else self.choices[axis]


def pool_records(records: Iterable[Record]) -> list[Cell]:
    """The cells of one or several sweeps of different names, in the order of their first rounds."""
    return pool_rounds(read_round(record) for record in records)


def pool_rounds(rounds: Iterable[Round]) -> list[Cell]:
    """The cells of the rounds, in the order of their first rounds."""
    listed = list(rounds)
    upcasts = find_upcasts((each.cell_hash, each.choices["upcast"]) for each in listed)
    members: dict[tuple[object, ...], list[Round]] = defaultdict(list)
    machines: dict[str, str] = {}
    for each, (env, machine) in zip(
        listed,
        label_environments([each.place for each in listed], [each.status for each in listed]),
        strict=True,
    ):
        choices = {**each.choices, "upcast": each.choices["upcast"] or upcasts.get(each.cell_hash)}
        machines[env] = machine
        key = (each.cell_hash, env, *choices.values())
        members[key].append(dataclasses.replace(each, choices=choices))
    return [_cell(of_cell, str(key[1]), machines[str(key[1])]) for key, of_cell in members.items()]


def common_status(statuses: Iterable[str]) -> str:
    """``ok`` if one round is, else the most frequent one."""
    counts = Counter(statuses)
    return "ok" if "ok" in counts else counts.most_common(1)[0][0]


def _cell(rounds: list[Round], env: str, machine: str) -> Cell:
    first, ok = rounds[0], [each for each in rounds if each.status == "ok"]
    return Cell(
        choices=first.choices,
        cell_hash=first.cell_hash,
        env=env,
        machine=machine,
        torch=first.place.torch,
        status=common_status(each.status for each in rounds),
        reason="; ".join(dict.fromkeys(each.reason for each in rounds if each.reason)),
        runs=collect_runs(
            (each.place.sweep_folder, each.number, each.path, each.runtime_s) for each in ok
        ),
        sweep_folders=frozenset(each.place.sweep_folder for each in rounds),
    )
