"""Which rounds may be averaged, and which may stand side by side.

An *environment* (E1, E2, ...) is one fingerprint on one GPU: rounds of different environments are
never averaged together. A *machine* is a set of environments that share a chart and a table, such
as PyTorch 1.12 and 2.x on the same GPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sd_bench.verdicts.axes import Choice, rank

#: What stands for a fact of the environment that a record does not hold.
UNKNOWN = "unknown"


class Place(NamedTuple):
    """Where a round ran; ``sweep_folder`` tells sweeps of the same name apart."""

    gpu: str
    device: str
    fingerprint: str
    torch_env: Choice
    torch: str
    sweep_folder: str

    @property
    def environment(self) -> tuple[str, ...]:
        """What rounds of one environment have in common; without a fingerprint that is a sweep."""
        alone = self.sweep_folder if self.fingerprint.startswith(UNKNOWN) else ""
        return (self.gpu, self.device, self.fingerprint, alone)


def ran_nowhere(status: str, fingerprint: str) -> bool:
    """Whether a round was declared unsupported before any process began: in no environment."""
    return status == "unsupported" and fingerprint.startswith(UNKNOWN)


def label_environments(places: Sequence[Place], statuses: Sequence[str]) -> list[tuple[str, str]]:
    """The environment and the machine of each round, by the places where the rounds ran.

    A round that ran nowhere is put where others of its GPU ran, of its own sweep if there are any.
    """
    began = [
        not ran_nowhere(status, place.fingerprint)
        for place, status in zip(places, statuses, strict=True)
    ]
    real = dict.fromkeys(place for place, has_begun in zip(places, began, strict=True) if has_begun)
    places = [
        place if has_begun else _nearest(place, real)
        for place, has_begun in zip(places, began, strict=True)
    ]
    distinct = sorted(set(places), key=_display_order)
    env_of: dict[tuple[str, ...], str] = {}
    for place in distinct:
        env_of.setdefault(place.environment, f"E{len(env_of) + 1}")
    machine_of = _machines(distinct, env_of)
    envs = (env_of[place.environment] for place in places)
    return [(env, machine_of[env]) for env in envs]


def _nearest(place: Place, real: Iterable[Place]) -> Place:
    """The place among ``real`` ones of the same GPU that is most alike; itself if there is none."""
    same_gpu = (other for other in real if other.gpu == place.gpu)

    def differences(other: Place) -> tuple[bool, bool]:
        return (other.sweep_folder != place.sweep_folder, other.torch_env != place.torch_env)

    return min(same_gpu, key=differences, default=place)


def _display_order(place: Place) -> tuple[object, ...]:
    return (
        rank("gpu", place.gpu),
        place.device,
        rank("torch_env", place.torch_env),
        place.torch,
        place.fingerprint,
        place.sweep_folder,
    )


def _machines(places: list[Place], env_of: dict[tuple[str, ...], str]) -> dict[str, str]:
    """The machine's name for each environment: the GPU's, with the environments if ambiguous."""
    device_of_sweep = {
        (place.gpu, place.sweep_folder): place.device for place in places if place.device != UNKNOWN
    }
    members: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for place in places:
        device = place.device
        if device == UNKNOWN:  # a round that could not begin; its sweep ran on one machine
            device = device_of_sweep.get((place.gpu, place.sweep_folder), UNKNOWN)
        members[place.gpu, device].append(place)
    groups: dict[str, list[list[str]]] = defaultdict(list)
    for (gpu, _), same_device in members.items():
        groups[gpu].extend(_side_by_side(same_device, env_of))
    return {
        env: gpu if len(groups[gpu]) == 1 else f"{gpu} ({', '.join(group)})"
        for gpu, listed in groups.items()
        for group in listed
        for env in group
    }


def _side_by_side(places: list[Place], env_of: dict[tuple[str, ...], str]) -> list[list[str]]:
    """Environments of one device that belong together.

    With one environment per ``torch_env`` all do. Otherwise only those that met in a sweep, since
    a sweep runs on one machine.
    """
    envs_of_torch_env: dict[Choice, set[str]] = defaultdict(set)
    groups: list[tuple[set[str], set[str]]] = []  # environments, sweeps
    for place in places:
        env = env_of[place.environment]
        envs_of_torch_env[place.torch_env].add(env)
        envs, sweeps = {env}, {place.sweep_folder}
        for group in [g for g in groups if g[0] & envs or g[1] & sweeps]:
            groups.remove(group)
            envs, sweeps = envs | group[0], sweeps | group[1]
        groups.append((envs, sweeps))
    if all(len(envs) == 1 for envs in envs_of_torch_env.values()):
        return [_sorted(set().union(*envs_of_torch_env.values()))]
    return sorted((_sorted(envs) for envs, _ in groups), key=lambda group: env_number(group[0]))


def _sorted(envs: Iterable[str]) -> list[str]:
    return sorted(envs, key=env_number)


def env_number(env: str) -> int:
    """The number of an environment: 12 of E12."""
    return int(env[1:])
