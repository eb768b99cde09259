"""The progress of a sweep on many machines, from its groups' files and from the scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from sd_bench.cluster.folders import (
    Ended,
    GroupFolders,
    StoredGroup,
    SubmittedJob,
    count_records,
    find_groups,
    read_ended,
    read_nodes,
    read_progress,
)
from sd_bench.cluster.schedulers import (
    OVER,
    PENDING,
    RUNNING,
    UNKNOWN,
    JobState,
    Scheduler,
    SchedulerAwayError,
)
from sd_bench.execution.folder_claim import living_holder

#: The states of a group besides those of its job.
DONE, FAILED = "done", "failed"


class GroupStatus(Struct, frozen=True, kw_only=True):
    """The status of a group of cells on one node.

    ``done``, ``running``, ``pending`` and ``failed`` are numbers of rounds. ``word`` is the state
    of the whole group: done, running, pending, failed or unknown. ``state`` and ``reason`` are the
    scheduler's, or those of a command that has ended.
    """

    group: str
    gpu: str
    cells: int
    done: int
    running: int
    pending: int
    failed: int
    word: str
    job: str = ""
    state: str = ""
    reason: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStatus:
    """All groups of a sweep; ``away`` is why the scheduler did not answer, or empty."""

    groups: Sequence[GroupStatus]
    away: str = ""

    @property
    def is_over(self) -> bool:
        """Whether all groups are done or failed."""
        return not self.away and all(each.word in (DONE, FAILED) for each in self.groups)

    @property
    def has_failed(self) -> bool:
        return any(each.word == FAILED or each.failed for each in self.groups)


def read_status(sweep: Path, scheduler: Scheduler) -> SweepStatus:
    """The status of the sweep in that folder. Raises ConfigError if it has no groups."""
    groups = [(folders, folders.read()) for folders in find_groups(sweep)]
    jobs = {folders.name: folders.submitted()[-1:] for folders, _ in groups}
    away, states = "", {}
    try:
        states = dict(scheduler.states([job.id for latest in jobs.values() for job in latest]))
    except SchedulerAwayError as error:
        away = str(error)
    rows = [
        row
        for folders, group in groups
        for row in _of_group(folders, group, jobs[folders.name], states, bool(away))
    ]
    return SweepStatus(groups=rows, away=away)


def _of_group(
    folders: GroupFolders,
    group: StoredGroup,
    latest: Sequence[SubmittedJob],
    states: Mapping[str, JobState],
    is_away: bool,
) -> list[GroupStatus]:
    job = latest[0].id if latest else ""
    folders_of_nodes = folders.sweeps(group.nodes)
    state = states.get(job)
    if state is None and is_away:
        state = JobState(word=UNKNOWN, state="", reason="the scheduler is away")
    if state is None:
        state = _state_by_claims(latest, group, folders_of_nodes)
    rows = [_of_folder(folder, group, job, state) for folder in folders_of_nodes]
    not_begun = max(0, group.nodes - len(rows))
    return rows + not_begun * [_of_folder(folders.own, group, job, state)]


def _state_by_claims(
    latest: Sequence[SubmittedJob], group: StoredGroup, folders: Sequence[Path]
) -> JobState:
    """The state of a job that the scheduler has forgotten, or that is another command's task."""
    for holder in map(living_holder, folders):
        if holder is not None:
            return JobState(word=RUNNING, state="", reason="by its claim", node=holder.node)
    if sum(read_ended(folder) is not None for folder in folders) >= group.nodes:
        return JobState(word=OVER, state="")
    if group.scheduler == "ray" and latest and not latest[0].submitter.is_gone:
        return JobState(word=PENDING, state="", reason="of a command that is still running")
    return JobState(word=OVER, state="", reason="not known to the scheduler")


def _of_folder(folder: Path, group: StoredGroup, job: str, state: JobState) -> GroupStatus:
    ended, progress = read_ended(folder), read_progress(folder)
    word = _word(ended, state)
    failed = 0 if progress is None else progress.failed
    measured = max(0, count_records(folder) - failed)
    expected = len(group.cells) if progress is None else progress.expected
    is_at_work = word == RUNNING and ended is None and measured + failed < expected
    running = int(is_at_work)
    is_done = word == DONE
    state_word, reason = state.state, state.reason
    if word in (DONE, FAILED) and ended is not None:
        state_word = state_word or ("COMPLETED" if ended.exit_code == 0 else "FAILED")
        reason = ended.reason or ("" if is_done else state.reason)
    node = state.node or next(iter(reversed(read_nodes(folder))), "")
    if group.nodes > 1 and (own := read_nodes(folder)):
        node = own[-1]
    return GroupStatus(
        group=group.name,
        gpu=group.gpu,
        cells=len(group.cells),
        done=measured,
        running=running,
        pending=0
        if is_done or ended is not None
        else max(0, expected - measured - failed - running),
        failed=failed,
        word=word,
        job=job,
        state=state_word,
        reason=reason,
        node=node,
    )


def _word(ended: Ended | None, state: JobState) -> str:
    if ended is not None and state.word not in (PENDING, RUNNING):
        return DONE if ended.is_complete else FAILED
    return state.word if state.word in (PENDING, RUNNING, UNKNOWN) else FAILED
