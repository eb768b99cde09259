"""A sweep to run on other machines, as Hydra's launcher passes it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_bench.cluster.folders import GroupFolders, StoredGroup
from sd_bench.cluster.groups import Group
from sd_bench.cluster.ray_tasks import RayScheduler
from sd_bench.cluster.schedulers import Scheduler
from sd_bench.cluster.settings import CommonSettings, RaySettings, SlurmSettings, read_settings
from sd_bench.cluster.slurm import SlurmScheduler
from sd_bench.command_lines import name_of
from sd_bench.execution.cell import Job
from sd_bench.paths import quoted_for_hydra

#: Settings of where jobs run, which do not change what they measure.
_WHERE = ("hydra/launcher", "cluster")
#: Settings of how a command behaves: each of a group's jobs sets these itself.
_HOW = ("resume", "retry_failed", "mix_environments", "dry_run", "traceback", "verbose")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJobs:
    """The composed ``jobs`` of a sweep, the ``overrides`` of each, and how to schedule them.

    ``launcher`` is slurm or ray, ``settings`` are those of hydra.launcher.
    """

    jobs: Sequence[Job]
    overrides: Sequence[Sequence[str]]
    launcher: str
    settings: Mapping[str, Any]


def read_scheduler(launcher: str, values: Mapping[str, Any]) -> tuple[CommonSettings, Scheduler]:
    """The settings of a launcher, and the scheduler with these settings. Raises ConfigError."""
    if launcher == "slurm":
        slurm = read_settings(SlurmSettings, launcher, values)
        return slurm, SlurmScheduler(slurm)
    ray = read_settings(RaySettings, launcher, values)
    return ray, RayScheduler(ray)


def is_about_where(argument: str) -> bool:
    """Whether an argument sets where jobs run."""
    name = name_of(argument)
    return name in _WHERE or name.startswith("hydra.launcher.")


def cells_to_run(definition: Path, asked: Sequence[Sequence[str]]) -> list[list[str]]:
    """The overrides of a group's cells, with those in ``asked`` of how this command behaves.

    Raises ConfigError if the file ``definition`` cannot be read.
    """
    how = [o for o in next(iter(asked), ()) if name_of(o) in _HOW]
    return [[*cell, *how] for cell in GroupFolders.of(definition).read().cells]


def define_group(
    group: Group,
    sweep: Path,
    settings: CommonSettings,
    launcher: str,
    overrides: Sequence[Sequence[str]],
    arguments: Sequence[str],
) -> StoredGroup:
    """What the group's job will need to know.

    ``overrides`` are those of all cells of the sweep. ``arguments`` start the sweep from any
    folder; those about where it runs are left out.
    """
    file = GroupFolders(sweep, group.name).definition
    only = f"hydra.launcher.group={quoted_for_hydra(str(file))}"
    return StoredGroup(
        name=group.name,
        gpu=group.gpu,
        scheduler=launcher,
        arguments=[*(a for a in arguments if not is_about_where(a)), only],
        cells=[
            [o for o in overrides[index] if not is_about_where(o) and name_of(o) not in _HOW]
            for index in group.indices
        ],
        nodes=group.nodes,
        patience_s=settings.patience_s,
        same_node=settings.same_node,
    )
