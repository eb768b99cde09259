"""The settings of ``hydra/launcher=slurm`` and ``ray``: conf/hydra/launcher and conf/cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import msgspec

from sd_bench.errors import ConfigError

#: The shortest allowed warning before a time limit.
_LEAST_WARNING_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonSettings:
    """The settings that both schedulers share.

    ``nodes`` is the number of machines that measure each group. With ``wait`` the command stays
    until all jobs have ended. ``same_node`` sends an interrupted group back to the machine that
    started it. A job waits ``patience_s`` for a claim without a heartbeat; the scheduler is asked
    every ``poll_s`` seconds.
    """

    group_by: tuple[str, ...] = ("gpu", "torch_env")
    nodes: int = 1
    wait: bool = True
    same_node: bool = True
    patience_s: float = 60.0
    poll_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings(CommonSettings):
    """The parameters of sbatch. ``time_min`` is the time limit of a job in minutes.

    ``setup`` are shell lines before the command in every job, ``setup_of`` further lines by
    ``torch_env``. ``python`` is the command that starts an interpreter in the job (in a container,
    for instance), ``srun_args`` are srun's arguments, ``sbatch`` other parameters of sbatch. A job
    is warned ``signal_delay_s`` before its time limit, finishes the round under way and is
    requeued, at most ``max_requeues`` times.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time_min: int = 240
    cpus_per_task: int | None = None
    mem_gb: float | None = None
    setup: tuple[str, ...] = ()
    setup_of: Mapping[str, list[str]] = field(default_factory=dict)
    python: str | None = None
    srun_args: tuple[str, ...] = ()
    sbatch: Mapping[str, Any] = field(default_factory=dict)
    signal_delay_s: int = 300
    max_requeues: int = 20
    submit_timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings(CommonSettings):
    """The settings for Ray.

    ``address`` is that of an existing cluster (``auto`` finds it); ``None`` starts Ray here.
    ``num_cpus`` is the number of CPUs that a task reserves, ``resources`` are others of Ray's.
    """

    address: str | None = None
    num_cpus: float = 1.0
    resources: Mapping[str, float] = field(default_factory=dict)


_Settings = TypeVar("_Settings", bound=CommonSettings)


def read_settings(kind: type[_Settings], launcher: str, values: Mapping[str, Any]) -> _Settings:
    """Settings of ``kind`` with these values. Raises ConfigError for unknown or bad ones."""
    known = sorted(each.name for each in fields(kind))
    for name in values:
        if name not in known:
            raise ConfigError(
                f"hydra.launcher.{name}: hydra/launcher={launcher} has no such setting; "
                f"it has {', '.join(known)}"
            )
    try:
        settings = msgspec.convert(dict(values), kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"hydra.launcher: {error} (hydra/launcher={launcher})") from None
    if settings.patience_s <= 0 or settings.poll_s <= 0:
        raise ConfigError("hydra.launcher.patience_s, poll_s: must be above 0 seconds")
    if isinstance(settings, SlurmSettings):
        _check_times(settings)
    return settings


def _check_times(settings: SlurmSettings) -> None:
    if settings.time_min < 1:
        raise ConfigError(f"hydra.launcher.time_min={settings.time_min}: must be 1 minute or more")
    if not _LEAST_WARNING_S <= settings.signal_delay_s < settings.time_min * 60:
        raise ConfigError(
            f"hydra.launcher.signal_delay_s={settings.signal_delay_s}: must be from "
            f"{_LEAST_WARNING_S} to below the limit of {settings.time_min} minutes"
        )
