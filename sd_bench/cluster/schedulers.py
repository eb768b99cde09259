"""The protocol of a scheduler: it takes jobs, reports their states, and ends them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sd_bench.cluster.groups import Group

#: The states of a job, whatever its scheduler calls them.
PENDING, RUNNING, OVER, UNKNOWN = "pending", "running", "over", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """The state of a job: one of four words, and the scheduler's ``state`` and ``reason``."""

    word: str
    state: str
    reason: str = ""
    node: str = ""


class SchedulerAwayError(Exception):
    """The scheduler does not answer now; the message says what it was asked."""


class Scheduler(Protocol):
    """Slurm or Ray."""

    name: str
    #: Whether jobs keep running when the command that submitted them ends.
    jobs_outlive_command: bool

    def parameters(self, group: Group) -> Mapping[str, object]:
        """The parameters of the group's job, by the scheduler's names."""
        ...

    def submit(self, sweep: Path, group: Group, nodes: Sequence[str]) -> str:
        """Submit the group's job, to these ``nodes`` if there are any, and return its id.

        Raises ConfigError if the scheduler refuses it.
        """
        ...

    def states(self, jobs: Iterable[str]) -> Mapping[str, JobState]:
        """The states of these jobs, without those that the scheduler has forgotten.

        Raises SchedulerAwayError.
        """
        ...

    def words_to_cancel(self, jobs: Sequence[str]) -> list[str]:
        """The command that ends these jobs; empty if they end with this process."""
        ...
