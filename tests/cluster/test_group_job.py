"""The contents of a group's folder decide whether a job measures, and what is resubmitted."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from sd_bench.cluster.folders import (
    Ended,
    GroupFolders,
    StoredGroup,
    count_records,
    read_ended,
    write_ended,
    write_nodes,
)
from sd_bench.cluster.group_job import GroupJob
from sd_bench.cluster.groups import Group
from sd_bench.cluster.schedulers import OVER, RUNNING, JobState, SchedulerAwayError
from sd_bench.cluster.status import read_status
from sd_bench.cluster.submission import submit_groups
from sd_bench.config.schema import SchedulingConfig
from sd_bench.execution.folder_claim import take_claim

GROUP = Group(
    name="t4-current", gpu="t4", kind="cuda", scheduling=SchedulingConfig(),
    torch_envs=("current",), nodes=1, indices=(0,),
)  # fmt: skip


class Written:
    """A scheduler with prepared answers, which notes what is submitted."""

    name = "slurm"
    jobs_outlive_command = True

    def __init__(self, states: Mapping[str, JobState] | None) -> None:
        self._states = states
        self.submitted: list[tuple[str, list[str]]] = []

    def parameters(self, group: Group) -> Mapping[str, object]:
        return {}

    def submit(self, sweep: Path, group: Group, nodes: Sequence[str]) -> str:
        self.submitted.append((group.name, list(nodes)))
        return str(len(self.submitted))

    def states(self, jobs: Iterable[str]) -> Mapping[str, JobState]:
        if self._states is None:
            raise SchedulerAwayError("squeue does not answer")
        return {job: self._states[job] for job in jobs if job in self._states}

    def words_to_cancel(self, jobs: Sequence[str]) -> list[str]:
        return []


def stored(*arguments: str, same_node: bool = True) -> StoredGroup:
    return StoredGroup(
        name="t4-current", gpu="t4", scheduler="slurm", arguments=list(arguments), cells=[["a"]],
        patience_s=1.5, same_node=same_node,
    )  # fmt: skip


def begun(sweep: Path, node: str) -> GroupFolders:
    """A group of which ``node`` has measured one round."""
    folders = GroupFolders(sweep, "t4-current")
    folders.write(stored())
    (folders.records / "0").mkdir(parents=True)
    (folders.records / "0" / "round-0.json").touch()
    write_nodes(folders.records, [node])
    return folders


def submit(scheduler: Written, sweep: Path, definition: StoredGroup) -> None:
    submit_groups(scheduler, sweep, [GROUP], [definition], lambda _: None)


def test_what_one_node_has_begun_another_does_not_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = begun(tmp_path, "n1")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert GroupJob(str(tmp_path), "t4-current")() == 2
    ended = read_ended(folders.records)
    assert ended is not None
    assert "was started on n1" in ended.reason
    assert count_records(folders.records) == 1
    (row,) = read_status(tmp_path, Written({})).groups
    assert (row.word, row.done) == ("failed", 1)
    assert "was started on n1" in row.reason


@pytest.mark.parametrize(("same_node", "nodes"), [(True, ["n1"]), (False, [])])
def test_what_is_submitted_again_is_sent_to_the_node_that_has_begun_it(
    same_node: bool, nodes: list[str], tmp_path: Path
) -> None:
    begun(tmp_path, "n1")
    scheduler = Written({})
    submit(scheduler, tmp_path, stored(same_node=same_node))
    assert scheduler.submitted == [("t4-current", nodes)]


@pytest.mark.slow
def test_a_second_job_of_a_group_leaves_it_to_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folders = begun(tmp_path, "n1")
    claim = take_claim(folders.records, "job 1", "n1", patience_s=1, waiting=print)
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(0.3):
            claim.beat()

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        assert GroupJob(str(tmp_path), "t4-current")() == 0
    finally:
        is_over.set()
        beating.join()
    claim.release()
    assert "job 1 works there; this job has nothing to do" in " ".join(
        capfd.readouterr().out.split()
    )
    assert read_ended(folders.records) is None


def test_a_group_is_submitted_until_it_is_measured_with_these_arguments(tmp_path: Path) -> None:
    folders = begun(tmp_path, "n1")
    over = Written({"1": JobState(word=OVER, state="NODE_FAIL")})
    submit(over, tmp_path, stored("x=1", "y=2"))
    submit(over, tmp_path, stored("x=1", "y=2"))
    assert len(over.submitted) == 2
    write_ended(folders.records, Ended(exit_code=1, is_complete=True, job="2", node="n1"))
    submit(over, tmp_path, stored("y=2", "x=1"))
    assert len(over.submitted) == 2, "already complete"
    submit(over, tmp_path, stored("y=2", "x=1", "retry_failed=true"))
    assert len(over.submitted) == 3, "failed rounds are to be measured again"
    assert read_ended(folders.records) is None


def test_a_group_whose_job_runs_is_not_submitted_again(tmp_path: Path) -> None:
    begun(tmp_path, "n1")
    running = Written({"1": JobState(word=RUNNING, state="RUNNING")})
    submit(running, tmp_path, stored())
    submit(running, tmp_path, stored())
    assert len(running.submitted) == 1


def test_a_scheduler_that_is_away_leaves_what_the_folder_says(tmp_path: Path) -> None:
    begun(tmp_path, "n1")
    status = read_status(tmp_path, Written(None))
    assert status.away == "squeue does not answer"
    assert not status.is_over
    assert [(row.word, row.done) for row in status.groups] == [("unknown", 1)]
