"""Groups the cells of a sweep into jobs: by default by GPU and PyTorch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sd_bench.config.schema import Config, SchedulingConfig
from sd_bench.errors import ConfigError

#: The choices that cells may be grouped by; ``gpu`` is always one.
GROUPED_BY = ("gpu", "torch_env")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The cells with these ``indices`` in the sweep, for one job.

    ``name`` is the name of its folder. ``torch_envs`` are those of its cells, and ``nodes`` is the
    number of machines, each of which measures all of its rounds.
    """

    name: str
    gpu: str
    kind: str
    scheduling: SchedulingConfig
    torch_envs: tuple[str, ...]
    nodes: int
    indices: tuple[int, ...]


def group_cells(configs: Sequence[Config], group_by: Sequence[str], nodes: int) -> list[Group]:
    """The groups of a sweep, in the order of their first cells.

    Raises ConfigError for a ``group_by`` or ``nodes`` that is not allowed.
    """
    unknown = [name for name in group_by if name not in GROUPED_BY]
    if unknown or "gpu" not in group_by:
        raise ConfigError(
            f"hydra.launcher.group_by={list(group_by)}: write [gpu,torch_env], or [gpu] to have "
            "all PyTorch versions of a GPU on one node"
        )
    if type(nodes) is not int or nodes < 1:
        raise ConfigError(f"hydra.launcher.nodes={nodes}: must be an integer of 1 or more")
    members: dict[tuple[object, ...], list[int]] = {}
    for index, config in enumerate(configs):
        members.setdefault(_needs(config, "torch_env" in group_by), []).append(index)
    names: dict[str, int] = {}
    groups = []
    for indices in members.values():
        first = configs[indices[0]]
        envs = tuple(dict.fromkeys(configs[index].torch_env.name for index in indices))
        name = re.sub(r"[^\w.-]", "_", "-".join([first.gpu.name, *envs]))
        names[name] = names.get(name, 0) + 1
        groups.append(
            Group(
                name=name if names[name] == 1 else f"{name}-{names[name]}",
                gpu=first.gpu.name,
                kind=first.gpu.kind,
                scheduling=first.gpu.scheduling,
                torch_envs=envs,
                nodes=nodes,
                indices=tuple(indices),
            )
        )
    return groups


def _needs(config: Config, separates_envs: bool) -> tuple[object, ...]:
    scheduling = config.gpu.scheduling
    env = (config.torch_env.name, config.torch_env.python) if separates_envs else ()
    return (
        config.gpu.name,
        scheduling.gres,
        scheduling.constraint,
        scheduling.accelerator_type,
        env,
    )
