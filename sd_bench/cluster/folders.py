"""Where the parts of a sweep on many machines lie, all below the sweep's own folder.

::

    FOLDER/sweep.json                     what the sweep was started with
    FOLDER/<group>/                       a group's own sweep: records, as on one machine
    FOLDER/<group>/<node>/                the same where several nodes measure the group
    FOLDER/.groups/<group>/group.json     its cells, and how its job starts the command
    FOLDER/.groups/<group>/jobs.json      the jobs that it was submitted as
    FOLDER/.groups/<group>/*_log.*        what these have printed
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
    ``patience_s`` is how long a claim without a beat is waited for, ``same_node`` whether rounds go
    on only where they were begun.
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
    """A job by its scheduler's name for it; ``submitter`` is the command that has submitted it."""

    id: str
    submitted_at: str
    submitter: Process


class Ended(Struct, frozen=True, kw_only=True):
    """How the command of a group's job has ended by itself: its exit code and its last words.

    ``is_complete`` says whether all rounds were run that were to be, well or not.
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
        """The folders of the group that is defined in this file."""
        return cls(definition.parents[2], definition.parent.name)

    @property
    def records(self) -> Path:
        """Where its records go, or the folders of its nodes."""
        return self.sweep / self.name

    @property
    def own(self) -> Path:
        """Where its jobs' files are."""
        return self.sweep / _GROUPS / self.name

    @property
    def definition(self) -> Path:
        return self.own / "group.json"

    @property
    def jobs(self) -> Path:
        return self.own / "jobs.json"

    def sweep_of(self, node: str, nodes: int) -> Path:
        """Where ``node`` measures, if ``nodes`` do."""
        return self.records if nodes == 1 else self.records / node

    def sweeps(self, nodes: int) -> list[Path]:
        """The folders in which there may be records."""
        if nodes == 1:
            return [self.records]
        with suppress(OSError):
            return sorted(path for path in self.records.iterdir() if path.is_dir())
        return []

    def write(self, group: StoredGroup) -> None:
        self.own.mkdir(parents=True, exist_ok=True)
        write_atomically(self.definition, msgspec.json.encode(group).decode() + "\n")

    def read(self) -> StoredGroup:
        """Raises ConfigError if the file does not read."""
        try:
            found: StoredGroup = read_json(self.definition, _LARGEST, StoredGroup)
            return found
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self.definition}: does not read ({error}); submit the sweep again with its "
                "arguments and resume=true"
            ) from None

    def submitted(self) -> list[SubmittedJob]:
        """The jobs so far, oldest first."""
        try:
            found: list[SubmittedJob] = read_json(self.jobs, _LARGEST, list[SubmittedJob])
            return found
        except (OSError, ValueError):
            return []

    def add_job(self, job: SubmittedJob) -> None:
        jobs = [*self.submitted(), job]
        write_atomically(self.jobs, msgspec.json.encode(jobs).decode() + "\n")


class Progress(Struct, frozen=True, kw_only=True):
    """What the command of a group says of itself after each round.

    ``expected`` rounds are those that are planned by now, ``failed`` those without a result or a
    declared reason for none; ``current`` is the round under way, and ``is_complete`` says that all
    were run that were to be.
    """

    expected: int
    failed: int
    current: str = ""
    is_complete: bool = False


def write_progress(folder: Path, progress: Progress) -> None:
    """Replace what was said before; it is not synced to disk, since the next round says it again.

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
    """How the last command in a group's sweep has ended; ``None`` if it has not."""
    try:
        found: Ended = read_json(folder / ".ended.json", _LARGEST, Ended)
        return found
    except (OSError, ValueError):
        return None


def forget_ended(folder: Path) -> None:
    (folder / ".ended.json").unlink(missing_ok=True)


def groups_of(sweep: Path) -> list[GroupFolders]:
    """The groups of a sweep on many machines; none of any other."""
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
    """Write down on which nodes a group's rounds are measured."""
    write_atomically(folder / ".nodes", "".join(f"{node}\n" for node in nodes))


def read_nodes(folder: Path) -> list[str]:
    with suppress(OSError):
        return (folder / ".nodes").read_text(encoding="utf-8").split()
    return []


def count_records(folder: Path) -> int:
    """How many records are in the cells' folders of a group's sweep; none is read."""
    return sum(1 for _ in folder.rglob(RECORD_GLOB))
