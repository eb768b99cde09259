"""Submits the groups of a sweep to a scheduler, except those that are done or have a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from sd_bench.cluster.folders import (
    GroupFolders,
    StoredGroup,
    SubmittedJob,
    count_records,
    forget_ended,
    read_ended,
    read_nodes,
)
from sd_bench.cluster.groups import Group
from sd_bench.cluster.schedulers import PENDING, RUNNING, JobState, Scheduler, SchedulerAwayError
from sd_bench.execution.folder_claim import Process

_RETRIES = "retry_failed=true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The result for a group: the ``job`` that runs it, or why there is none (``why_none``)."""

    group: str
    job: str | None
    is_new: bool
    why_none: str = ""


def submit_groups(
    scheduler: Scheduler,
    sweep: Path,
    groups: Sequence[Group],
    stored: Sequence[StoredGroup],
    report: Callable[[Submitted], None],
) -> list[Submitted]:
    """Submit each unfinished group that has no job; ``report`` is called for every group.

    Raises ConfigError if the scheduler refuses one; those before it stay submitted.
    """
    known = _known_jobs(scheduler, [GroupFolders(sweep, group.name) for group in groups])
    result = []
    for group, definition in zip(groups, stored, strict=True):
        folders = GroupFolders(sweep, group.name)
        result.append(_submit(scheduler, folders, group, definition, known))
        report(result[-1])
    return result


def _known_jobs(scheduler: Scheduler, groups: Iterable[GroupFolders]) -> dict[str, JobState]:
    latest = [job.id for folders in groups for job in folders.submitted()[-1:]]
    try:
        return dict(scheduler.states(latest)) if latest else {}
    except SchedulerAwayError:
        return {}  # submitting waits for it; a group's claim keeps two jobs from both measuring


def _submit(
    scheduler: Scheduler,
    folders: GroupFolders,
    group: Group,
    definition: StoredGroup,
    known: dict[str, JobState],
) -> Submitted:
    if is_finished(folders, definition):
        return Submitted(group=group.name, job=None, is_new=False, why_none="already complete")
    for job in folders.submitted()[-1:]:
        if job.id in known and known[job.id].word in (PENDING, RUNNING):
            return Submitted(group=group.name, job=job.id, is_new=False)
    nodes = begun_on(folders, group.nodes) if definition.same_node else []
    folders.write(definition)
    for folder in folders.sweeps(group.nodes):
        forget_ended(folder)
    job_id = scheduler.submit(folders.sweep, group, nodes)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    folders.add_job(SubmittedJob(id=job_id, submitted_at=now, submitter=Process.this()))
    return Submitted(group=group.name, job=job_id, is_new=True)


def is_finished(folders: GroupFolders, definition: StoredGroup) -> bool:
    """Whether all rounds of the group have been run with this ``definition``.

    With ``retry_failed=true`` a group with failed rounds is not finished.
    """
    if not folders.definition.is_file() or not _asks_the_same(folders.read(), definition):
        return False
    ended = [read_ended(folder) for folder in folders.sweeps(definition.nodes)]
    retries = _RETRIES in definition.arguments
    done = [e for e in ended if e is not None and e.is_complete and not (retries and e.exit_code)]
    return len(done) >= definition.nodes


def _asks_the_same(one: StoredGroup, other: StoredGroup) -> bool:
    """Whether both run the same; a resumed command may have its arguments in another order."""
    of_one, of_other = (
        (each.nodes, sorted(each.arguments), sorted(map(sorted, each.cells)))
        for each in (one, other)
    )
    return of_one == of_other


def begun_on(folders: GroupFolders, nodes: int) -> list[str]:
    """The nodes that have measured rounds of the group; empty unless ``nodes`` of them have."""
    begun = [folder for folder in folders.sweeps(nodes) if count_records(folder)]
    names = [name for folder in begun for name in read_nodes(folder)[-1:]]
    return names if len(names) == nodes else []
