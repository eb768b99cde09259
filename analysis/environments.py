"""Which rounds may be averaged, and which may stand side by side.

An *environment* (column ``env``: E1, E2, ...) is one fingerprint on one GPU: rounds of different
environments are never averaged together. A *machine* (column ``machine``) is a set of
environments that share a chart, such as PyTorch 1.12 and 2.x on the same GPU.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pandas as pd

from analysis.choices import Row, rank, rows_of

#: What stands for a fact of the environment that a record does not hold.
UNKNOWN = "unknown"

_ENV_FACTS = ("gpu", "device", "fingerprint")


def label_environments(rounds: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``env`` and ``machine`` to a table of rounds."""
    columns = [*_ENV_FACTS, "torch_env", "torch", "sweep_folder", "status"]
    of_rounds = _housed(rows_of(rounds[columns]))
    facts = list({tuple(fact.values()): fact for fact in of_rounds}.values())
    facts.sort(key=_display_order)
    env_of: dict[tuple[Any, ...], str] = {}
    for fact in facts:
        env_of.setdefault(_key(fact), f"E{len(env_of) + 1}")
    machine_of = _machines(facts, env_of)
    envs = [env_of[_key(fact)] for fact in of_rounds]
    return rounds.assign(env=envs, machine=[machine_of[env] for env in envs])


def _ran_nowhere(fact: Row) -> bool:
    """Whether it was declared unsupported before any process began: that has no environment."""
    return fact["status"] == "unsupported" and str(fact["fingerprint"]).startswith(UNKNOWN)


def _housed(facts: list[Row]) -> list[Row]:
    """``facts``, those of what ran nowhere replaced by the nearest ones of the same GPU, if any."""
    real = {tuple(f.values()): f for f in facts if not _ran_nowhere(f)}

    def nearest(fact: Row) -> Row:
        same_gpu = [other for other in real.values() if other["gpu"] == fact["gpu"]]
        apart = ("sweep_folder", "torch_env")
        return min(same_gpu, key=lambda other: [other[n] != fact[n] for n in apart], default=fact)

    return [nearest(fact) if _ran_nowhere(fact) else fact for fact in facts]


def environments(rounds: pd.DataFrame) -> pd.DataFrame:
    """One row an environment: what it is, and how many sweeps, cells and rounds it has."""
    rows = []
    for env, everyone in rounds.groupby("env", sort=False):
        began = everyone[
            [not _ran_nowhere(f) for f in rows_of(everyone[["status", "fingerprint"]])]
        ]
        members = began if len(began) else everyone
        rows.append(
            {
                "env": env,
                "machine": members["machine"].iloc[0],
                "gpu": members["gpu"].iloc[0],
                "device": members["device"].iloc[0],
                "torch_env": _joined(members["torch_env"]),
                "torch": _joined(members["torch"]),
                "python": _joined(members["python"]),
                "commit": _joined(members["commit"]),
                "sweeps": tuple(dict.fromkeys(members["sweep"])),
                "cells": members["cell_hash"].nunique(),
                "rounds": len(members),
                "fingerprint": members["fingerprint"].iloc[0],
            }
        )
    rows.sort(key=lambda row: int(str(row["env"])[1:]))
    return pd.DataFrame(rows)


def _joined(values: pd.Series[Any]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values) if value is not None)


def _key(fact: Row) -> tuple[Any, ...]:
    """What rounds of one environment have in common; without a fingerprint that is a sweep."""
    alone = fact["sweep_folder"] if str(fact["fingerprint"]).startswith(UNKNOWN) else ""
    return (*(fact[column] for column in _ENV_FACTS), alone)


def _display_order(fact: Row) -> tuple[Any, ...]:
    return (
        rank("gpu", fact["gpu"]),
        fact["device"],
        rank("torch_env", fact["torch_env"]),
        fact["torch"],
        fact["fingerprint"],
        fact["sweep_folder"],
    )


def _machines(facts: list[Row], env_of: dict[tuple[Any, ...], str]) -> dict[str, str]:
    """The machine's name for each environment: the GPU's, with the environments if ambiguous."""
    device_of_sweep = {
        (fact["gpu"], fact["sweep_folder"]): fact["device"]
        for fact in facts
        if fact["device"] != UNKNOWN
    }
    members: dict[tuple[Any, Any], list[Row]] = defaultdict(list)
    for fact in facts:
        device = fact["device"]
        if device == UNKNOWN:  # a round that could not begin; its sweep ran on one machine
            device = device_of_sweep.get((fact["gpu"], fact["sweep_folder"]), UNKNOWN)
        members[fact["gpu"], device].append(fact)
    groups: dict[str, list[list[str]]] = defaultdict(list)
    for (gpu, _), same_device in members.items():
        groups[str(gpu)].extend(_side_by_side(same_device, env_of))
    return {
        env: gpu if len(groups[gpu]) == 1 else f"{gpu} ({', '.join(group)})"
        for gpu, listed in groups.items()
        for group in listed
        for env in group
    }


def _side_by_side(facts: list[Row], env_of: dict[tuple[Any, ...], str]) -> list[list[str]]:
    """Environments of one device that belong together.

    With one environment a ``torch_env`` all do. Otherwise only those that met in a sweep, since
    a sweep runs on one machine.
    """
    envs_of_torch_env: dict[Any, set[str]] = defaultdict(set)
    groups: list[tuple[set[str], set[str]]] = []  # environments, sweeps
    for fact in facts:
        env = env_of[_key(fact)]
        envs_of_torch_env[fact["torch_env"]].add(env)
        envs, sweeps = {env}, {str(fact["sweep_folder"])}
        for group in [g for g in groups if g[0] & envs or g[1] & sweeps]:
            groups.remove(group)
            envs, sweeps = envs | group[0], sweeps | group[1]
        groups.append((envs, sweeps))
    if all(len(envs) == 1 for envs in envs_of_torch_env.values()):
        return [sorted({env_of[_key(fact)] for fact in facts}, key=_number)]
    return sorted((sorted(envs, key=_number) for envs, _ in groups), key=lambda g: _number(g[0]))


def _number(env: str) -> int:
    return int(env[1:])
