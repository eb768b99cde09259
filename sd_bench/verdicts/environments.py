"""Which rounds may be averaged, which may be shown side by side, and how both groups are named.

An *environment* is one fingerprint on one GPU: rounds of different environments are never averaged
together. A *machine* is a set of environments that share a chart and a table, such as PyTorch 1.12
and 2.x on the same GPU. Both are named after their device and, if there are several of one device,
after what differs: ``H100, PyTorch 1.12.1``. They are numbered only if no short text distinguishes
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sd_bench.verdicts.axes import Choice
from sd_bench.verdicts.device_names import UNKNOWN, clean_device, name_device

__all__ = ["UNKNOWN", "Label", "Place", "label_environments", "ran_nowhere"]


class Place(NamedTuple):
    """Where a round ran; ``sweep_folder`` distinguishes sweeps of the same name."""

    gpu: str
    device: str
    fingerprint: str
    torch_env: Choice
    torch: str
    sweep_folder: str

    @property
    def environment(self) -> tuple[str, ...]:
        """The key of the round's environment; without a fingerprint it includes the sweep."""
        alone = self.sweep_folder if self.fingerprint.startswith(UNKNOWN) else ""
        return (self.gpu, self.device, self.fingerprint, alone)


class Label(NamedTuple):
    """The names of a round's environment, its machine and its device.

    ``number`` is the environment's position in the order in which environments first appeared.
    """

    env: str
    machine: str
    device: str
    number: int


#: The places of one environment, in the order in which they first appeared.
_Env = list[Place]


def ran_nowhere(status: str, fingerprint: str) -> bool:
    """Whether a round ended before it recorded where it ran, so that it has no environment."""
    return status != "ok" and fingerprint.startswith(UNKNOWN)


def label_environments(places: Sequence[Place], statuses: Sequence[str]) -> list[Label]:
    """The label of each round, from the places and statuses of all rounds.

    Environments are numbered in the order of the rounds. A round that ended before it recorded
    where it ran is assigned to an environment of its GPU, from the same sweep if possible.
    """
    began = [
        not ran_nowhere(status, place.fingerprint)
        for place, status in zip(places, statuses, strict=True)
    ]
    real = dict.fromkeys(place for place, has_begun in zip(places, began, strict=True) if has_begun)
    nearest = {place: _nearest(place, real) for place in dict.fromkeys(places) if place not in real}
    resolved = [nearest.get(place, place) for place in places]
    envs: dict[tuple[str, ...], _Env] = defaultdict(list)
    for place in dict.fromkeys(resolved):
        envs[place.environment].append(place)
    labels = _label(list(envs.values()))
    return [labels[place] for place in resolved]


def _nearest(place: Place, real: Iterable[Place]) -> Place:
    """The most similar place of the same GPU among ``real``; ``place`` itself if there is none."""
    same_gpu = (other for other in real if other.gpu == place.gpu)

    def differences(other: Place) -> tuple[bool, bool]:
        return (other.sweep_folder != place.sweep_folder, other.torch_env != place.torch_env)

    return min(same_gpu, key=differences, default=place)


def _label(envs: Sequence[_Env]) -> dict[Place, Label]:
    """A label for every place in ``envs``."""
    number_of = {env[0].environment: number for number, env in enumerate(envs)}
    groups_of: dict[str, list[list[_Env]]] = defaultdict(list)
    for same_device in _by_device(envs):
        first = same_device[0][0]
        groups_of[name_device(first.gpu, first.device)] += _side_by_side(same_device)
    labels: dict[Place, Label] = {}
    for device, groups in groups_of.items():
        devices = _name_devices(device, groups)
        machines = _name_machines(devices, groups)
        for model, machine, group in zip(devices, machines, groups, strict=True):
            for name, env in zip(_name_envs(machine, group), group, strict=True):
                label = Label(name, machine, model, number_of[env[0].environment])
                labels |= dict.fromkeys(env, label)
    return labels


def _by_device(envs: Sequence[_Env]) -> list[list[_Env]]:
    """Group environments by device; one without a device is assigned that of its sweep."""
    device_of_sweep = {
        (place.gpu, place.sweep_folder): place.device
        for env in envs
        for place in env
        if place.device != UNKNOWN
    }
    members: dict[tuple[str, str], list[_Env]] = defaultdict(list)
    for env in envs:
        first = env[0]
        device = first.device
        if device == UNKNOWN:
            device = device_of_sweep.get((first.gpu, first.sweep_folder), UNKNOWN)
        members[first.gpu, device].append(env)
    return list(members.values())


def _side_by_side(envs: Sequence[_Env]) -> list[list[_Env]]:
    """Group environments of one device by machine.

    If there is one environment per ``torch_env``, all are one machine. Otherwise only those that
    share a sweep are, because a sweep runs on one machine.
    """
    of_torch_env: dict[Choice, set[int]] = defaultdict(set)
    for number, env in enumerate(envs):
        for place in env:
            of_torch_env[place.torch_env].add(number)
    if all(len(numbers) == 1 for numbers in of_torch_env.values()):
        return [list(envs)]
    groups: list[tuple[set[int], set[str]]] = []  # environments, sweeps
    for number, env in enumerate(envs):
        members, sweeps = {number}, {place.sweep_folder for place in env}
        for group in [group for group in groups if group[1] & sweeps]:
            groups.remove(group)
            members, sweeps = members | group[0], sweeps | group[1]
        groups.append((members, sweeps))
    in_order = sorted(sorted(members) for members, _ in groups)
    return [[envs[number] for number in members] for members in in_order]


def _name_devices(device: str, groups: Sequence[Sequence[_Env]]) -> list[str]:
    """The device's name for each group: short, or full if full names differ (``A100 80GB``)."""
    full = [clean_device(group[0][0].device) for group in groups]
    return full if len({*full} - {UNKNOWN}) > 1 else [device] * len(groups)


def _name_machines(devices: Sequence[str], groups: Sequence[Sequence[_Env]]) -> list[str]:
    """A name for each machine: its device's, with what distinguishes machines of one name."""
    versions = iter(_name_versions([env for group in groups for env in group]))
    of_groups = [dict.fromkeys(next(versions) for _ in group) for group in groups]
    names = _add_where_alike(devices, [f"PyTorch {' and '.join(each)}" for each in of_groups])
    return [f"{name} ({n})" if n else name for name, n in zip(names, _count(names), strict=True)]


def _name_envs(machine: str, group: Sequence[_Env]) -> list[str]:
    """A name for each environment: its machine's, with what distinguishes its environments."""
    versions = [f"PyTorch {version}" for version in _name_versions(group)]
    names = _add_where_alike([machine] * len(group), versions)
    numbers = _count(names)
    return [
        f"{name}, environment {number}" if number else name
        for name, number in zip(names, numbers, strict=True)
    ]


def _name_versions(envs: Sequence[_Env]) -> list[str]:
    """Each environment's version of PyTorch, with the build if that distinguishes them."""
    full = [env[0].torch for env in envs]
    short = [version.partition("+")[0] for version in full]
    return short if len(set(short)) == len(set(full)) else full


def _add_where_alike(names: Sequence[str], details: Sequence[str]) -> list[str]:
    """The names, followed by their detail where the same name occurs with different details."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, detail in zip(names, details, strict=True):
        found[name].add(detail)
    return [
        f"{name}, {detail}" if len(found[name]) > 1 else name
        for name, detail in zip(names, details, strict=True)
    ]


def _count(names: Sequence[str]) -> list[int]:
    """1, 2, ... for the occurrences of a repeated name, 0 for unique names."""
    return [names[: at + 1].count(n) if names.count(n) > 1 else 0 for at, n in enumerate(names)]
