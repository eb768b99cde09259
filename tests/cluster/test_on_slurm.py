"""Sweeps on a real Slurm: whatever happens to a job, each round of each cell is measured once."""

from __future__ import annotations

import shlex
import time

import pytest

from tests.support.cluster_sweeps import ClusterSweep, ended_by_ctrl_c
from tests.support.slurm import Slurm, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(200)]


@pytest.mark.slow
def test_a_sweep_is_divided_by_gpu_and_each_group_measured_on_a_node_that_has_it(
    sweep: ClusterSweep,
) -> None:
    said = sweep.finish(sweep.start("gpu=node_v100,node_a100", rounds=1))
    sweep.check_complete({}, machines=2, rounds=1)
    status = sweep.status()
    assert status["is_over"]
    assert [(g["group"], g["word"], g["state"], g["node"]) for g in status["groups"]] == [
        ("node_a100-current", "done", "COMPLETED", "a100-1"),
        ("node_v100-current", "done", "COMPLETED", "v100-1"),
    ]
    assert [(g["done"], g["running"], g["pending"], g["failed"]) for g in status["groups"]] == [
        (2, 0, 0, 0), (2, 0, 0, 0),
    ]  # fmt: skip
    assert "node_v100-current: running (RUNNING, on v100-1)" in said
    assert sweep.finish(sweep.resume()).count("already complete") == 2
    assert len(sweep.jobs()) == 2


@pytest.mark.slow
def test_ctrl_c_leaves_the_jobs_and_the_line_that_it_prints_cancels_them(
    sweep: ClusterSweep, slurm: Slurm
) -> None:
    attached = sweep.start("gpu=node_v100")
    sweep.wait_for_records()
    lines = ended_by_ctrl_c(attached).splitlines()
    (job,) = sweep.jobs()
    assert slurm.state(job) == "RUNNING"
    assert any("status" in line and "--watch" in line for line in lines), lines
    cancel = next(line.partition("end them with: ")[2] for line in lines if "scancel" in line)
    slurm.run(*shlex.split(cancel))
    wait_for(lambda: slurm.state(job) == "CANCELLED", "the job's end")
    (group,) = sweep.status()["groups"]
    assert (group["word"], group["state"]) == ("failed", "CANCELLED")
    assert group["done"] + group["pending"] == 8
    assert group["pending"] > 0
    before = sweep.wait_for_records()
    sweep.finish(sweep.resume())
    assert len(sweep.jobs()) == 2
    sweep.check_complete(before)


@pytest.mark.slow
def test_a_job_that_is_queued_again_goes_on_by_itself(sweep: ClusterSweep, slurm: Slurm) -> None:
    attached = sweep.start("gpu=node_v100")
    before = sweep.wait_for_records()
    (job,) = sweep.jobs()
    slurm.run("scontrol", "requeue", job)
    sweep.finish(attached)
    assert sweep.jobs() == [job]
    assert "Restarts=1" in slurm.run("scontrol", "show", "job", job)
    sweep.check_complete(before)


@pytest.mark.slow
def test_a_job_ends_its_round_before_the_time_limit_and_is_queued_again(
    sweep: ClusterSweep, slurm: Slurm
) -> None:
    attached = sweep.start(
        "gpu=node_a100", "hydra.launcher.time_min=1", "hydra.launcher.signal_delay_s=40"
    )
    before = sweep.wait_for_records()
    (job,) = sweep.jobs()
    slurm.run("scancel", "--signal=USR2", job)  # as Slurm does some time before the limit
    wait_for(lambda: slurm.state(job) != "RUNNING", "the warning's effect")
    sweep.finish(attached)
    assert "ending after this round" in sweep.logs()
    assert sweep.jobs() == [job]
    assert "Restarts=0" not in slurm.run("scontrol", "show", "job", job)
    sweep.check_complete(before)


@pytest.mark.slow
def test_a_sweep_outlives_the_node_that_it_was_on(sweep: ClusterSweep, slurm: Slurm) -> None:
    attached = sweep.start("gpu=node_t4", "hydra.launcher.same_node=false")
    before = sweep.wait_for_records()
    (job,) = sweep.jobs()
    first = slurm.run("squeue", "-h", "-j", job, "-o", "%N").strip()
    slurm.kill_node(first)
    try:
        sweep.finish(attached)
        (group,) = sweep.status()["groups"]
        assert group["node"] != first
        sweep.check_complete(before)
    finally:
        slurm.start_node(first)
        wait_for(lambda: "idle" in slurm.run("sinfo", "-h", "-n", first, "-o", "%T"), first)


@pytest.mark.slow
def test_a_controller_may_be_away_for_a_while(sweep: ClusterSweep, slurm: Slurm) -> None:
    slurm.kill_controller()
    attached = sweep.start("gpu=node_v100")
    time.sleep(6)
    slurm.start_controller()
    before = sweep.wait_for_records()
    slurm.kill_controller()
    assert sweep.status()["away"]
    slurm.start_controller()
    sweep.finish(attached)
    sweep.check_complete(before)


@pytest.mark.slow
def test_each_of_two_nodes_measures_a_full_set_of_rounds(sweep: ClusterSweep) -> None:
    sweep.finish(sweep.start("gpu=node_t4", "hydra.launcher.nodes=2", rounds=1))
    records = sweep.check_complete({}, machines=2, rounds=1)
    assert {record.sweep for record in records} == {
        "node_t4-current/t4-1",
        "node_t4-current/t4-2",
    }
    assert {group["node"] for group in sweep.status()["groups"]} == {"t4-1", "t4-2"}
