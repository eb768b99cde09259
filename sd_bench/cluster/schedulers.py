"""What a scheduler has to do for a sweep: take jobs, say how they are, and end them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sd_bench.cluster.groups import Group

#: What a job may be doing, whatever its scheduler calls it.
PENDING, RUNNING, OVER, UNKNOWN = "pending", "running", "over", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How a job is: one of four words, and the scheduler's own ``state`` and ``reason``."""

    word: str
    state: str
    reason: str = ""
    node: str = ""


class SchedulerAwayError(Exception):
    """The scheduler does not answer now; says what it was asked."""


class Scheduler(Protocol):
    """One of ``slurm`` and ``ray``."""

    name: str
    #: Whether jobs go on when the command that has submitted them ends.
    jobs_outlive_command: bool

    def parameters(self, group: Group) -> Mapping[str, object]:
        """What the group's job is submitted with, as the scheduler calls it."""
        ...

    def submit(self, sweep: Path, group: Group, nodes: Sequence[str]) -> str:
        """Hand over the group's job, for these ``nodes`` if any are named; gives its id.

        Raises ConfigError if the scheduler refuses it.
        """
        ...

    def states(self, jobs: Iterable[str]) -> Mapping[str, JobState]:
        """How these jobs are; those that nobody knows of any more are left out.

        Raises SchedulerAwayError.
        """
        ...

    def words_to_cancel(self, jobs: Sequence[str]) -> list[str]:
        """The words of a command that ends these jobs; empty where they end with this one."""
        ...
