"""The files of a sweep on many machines, all below the sweep's folder.

::

    FOLDER/sweep.json                     the arguments that started the sweep
    FOLDER/<group>/                       a group's sweep: its records, as on one machine
    FOLDER/<group>/<node>/                the same, if several nodes measure the group
    FOLDER/.groups/<group>/group.json     its cells, and how its job starts the command
    FOLDER/.groups/<group>/jobs.json      the jobs that it was submitted as
    FOLDER/.groups/<group>/*_log.*        the output of these jobs
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from sd_bench.errors import ConfigError
from sd_bench.execution.folder_claim import Process
from sd_bench.records import RECORD_GLOB, write_atomically
from sd_bench.regular_files import read_json

_GROUPS = ".groups"
_LARGEST = 2**26


class StoredGroup(Struct, frozen=True, kw_only=True):
    """What a group's job needs to know.

    ``arguments`` start the command, ``cells`` are the overrides of each of its cells.
    ``patience_s`` is how many seconds the job waits for a claim without a heartbeat, ``same_node``
    whether rounds may resume only on the node that they were started on.
    """

    name: str
    gpu: str
    scheduler: str
    arguments: list[str]
    cells: list[list[str]]
    nodes: int = 1
    patience_s: float = 60.0
    same_node: bool = True


class SubmittedJob(Struct, frozen=True, kw_only=True):
    """A job, by its scheduler's ``id``; ``submitter`` is the command that submitted it."""

    id: str
    submitted_at: str
    submitter: Process


class Ended(Struct, frozen=True, kw_only=True):
    """How the command of a group's job ended, if it was not interrupted.

    ``is_complete`` is whether all its rounds were run, failed ones included; ``reason`` is the last
    line that it printed to stderr, if not.
    """

    exit_code: int
    is_complete: bool
    job: str
    node: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GroupFolders:
    """The folders of one group of the sweep in ``sweep``."""

    sweep: Path
    name: str

    @classmethod
    def of(cls, definition: Path) -> GroupFolders:
        """The folders of the group whose group.json is ``definition``."""
        return cls(definition.parents[2], definition.parent.name)

    @property
    def records(self) -> Path:
        """The folder of its records, or of its nodes' folders."""
        return self.sweep / self.name

    @property
    def own(self) -> Path:
        """The folder of its jobs' files."""
        return self.sweep / _GROUPS / self.name

    @property
    def definition(self) -> Path:
        return self.own / "group.json"

    @property
    def jobs(self) -> Path:
        return self.own / "jobs.json"

    def sweep_of(self, node: str, nodes: int) -> Path:
        """The folder in which ``node`` measures, if ``nodes`` nodes measure the group."""
        return self.records if nodes == 1 else self.records / node

    def sweeps(self, nodes: int) -> list[Path]:
        """The folders that may hold records."""
        if nodes == 1:
            return [self.records]
        with suppress(OSError):
            return sorted(path for path in self.records.iterdir() if path.is_dir())
        return []

    def write(self, group: StoredGroup) -> None:
        self.own.mkdir(parents=True, exist_ok=True)
        write_atomically(self.definition, msgspec.json.encode(group).decode() + "\n")

    def read(self) -> StoredGroup:
        """The group's definition. Raises ConfigError if the file cannot be read."""
        try:
            found: StoredGroup = read_json(self.definition, _LARGEST, StoredGroup)
            return found
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self.definition}: cannot be read ({error}); submit the sweep again with its "
                "arguments and resume=true"
            ) from None

    def submitted(self) -> list[SubmittedJob]:
        """The group's jobs so far, oldest first."""
        try:
            found: list[SubmittedJob] = read_json(self.jobs, _LARGEST, list[SubmittedJob])
            return found
        except (OSError, ValueError):
            return []

    def add_job(self, job: SubmittedJob) -> None:
        jobs = [*self.submitted(), job]
        write_atomically(self.jobs, msgspec.json.encode(jobs).decode() + "\n")


class Progress(Struct, frozen=True, kw_only=True):
    """The progress of a group's command, which it writes before each round and at the end.

    ``expected`` is the number of rounds planned so far, ``failed`` of those that are neither ok nor
    unsupported; ``current`` names the round under way, and ``is_complete`` is whether all rounds
    have been run.
    """

    expected: int
    failed: int
    current: str = ""
    is_complete: bool = False


def write_progress(folder: Path, progress: Progress) -> None:
    """Replace the progress file, without syncing it to disk: the next round rewrites it.

    Raises OSError if the folder cannot be written.
    """
    temporary = folder / ".progress.tmp"
    temporary.write_bytes(msgspec.json.encode(progress) + b"\n")
    temporary.replace(folder / ".progress.json")


def read_progress(folder: Path) -> Progress | None:
    try:
        found: Progress = read_json(folder / ".progress.json", _LARGEST, Progress)
        return found
    except (OSError, ValueError):
        return None


def write_ended(folder: Path, ended: Ended) -> None:
    write_atomically(folder / ".ended.json", msgspec.json.encode(ended).decode() + "\n")


def read_ended(folder: Path) -> Ended | None:
    """How the last command in a group's sweep ended; ``None`` if it has not."""
    try:
        found: Ended = read_json(folder / ".ended.json", _LARGEST, Ended)
        return found
    except (OSError, ValueError):
        return None


def forget_ended(folder: Path) -> None:
    (folder / ".ended.json").unlink(missing_ok=True)


def groups_of(sweep: Path) -> list[GroupFolders]:
    """The groups of a sweep on many machines; empty for any other sweep."""
    with suppress(OSError):
        files = sorted((sweep / _GROUPS).glob("*/group.json"))
        return [GroupFolders(sweep, file.parent.name) for file in files]
    return []


def find_groups(sweep: Path) -> list[GroupFolders]:
    """The groups of a sweep. Raises ConfigError if there are none."""
    groups = groups_of(sweep)
    if not groups:
        raise ConfigError(
            f"{sweep}: is not a sweep of hydra/launcher=slurm or ray; name the folder that it "
            "printed when it was submitted"
        )
    return groups


def write_nodes(folder: Path, nodes: Sequence[str]) -> None:
    """Record the nodes on which a group's rounds are measured."""
    write_atomically(folder / ".nodes", "".join(f"{node}\n" for node in nodes))


def read_nodes(folder: Path) -> list[str]:
    with suppress(OSError):
        return (folder / ".nodes").read_text(encoding="utf-8").split()
    return []


def count_records(folder: Path) -> int:
    """The number of records in the folder of a group's sweep; they are not read."""
    return sum(1 for _ in folder.rglob(RECORD_GLOB))
