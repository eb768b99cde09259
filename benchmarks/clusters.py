"""How planning, submitting and the status of a sweep scale to many nodes, by simulation.

    python -m benchmarks.clusters [--cells 500 1000 2500 5000] [--nodes 200]

Planning is the real command's dry run, in a separate process. Submitting, jobs and status run this
project's own code on real files; only the scheduler and the rounds are simulated: a round takes no
time and leaves an empty file as its record, and one job in a hundred fails halfway. A resume
completes the sweep. Prints a row for each size, and exits with 1 if a round is missing or measured
twice.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sd_bench.cluster.folders import (
    Ended,
    GroupFolders,
    Progress,
    StoredGroup,
    write_ended,
    write_nodes,
    write_progress,
)
from sd_bench.cluster.groups import Group
from sd_bench.cluster.schedulers import OVER, JobState
from sd_bench.cluster.status import read_status
from sd_bench.cluster.submission import submit_groups
from sd_bench.config.schema import SchedulingConfig

_ROUNDS = 6
_FAILING = 0.01
_GPUS = ("t4", "v100", "a100", "h100")
_ATTENTION = ("math", "flash", "auto", "mem_efficient", "original")
_BATCH_SIZES = (1, 2, 4, 8, 16)


def main() -> None:
    """Simulate sweeps of several sizes and print what each took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", type=int, nargs="+", default=(500, 1000, 2500, 5000))
    parser.add_argument("--nodes", type=int, default=200, help="nodes of the largest sweep")
    options = parser.parse_args()
    largest = max(options.cells)
    print(
        "| cells | jobs | planning [CPU s] | memory [MiB] | submitting [s] | status [s] | failed |"
    )
    print("| --: | --: | --: | --: | --: | --: | --: |")
    for cells in options.cells:
        jobs = max(1, options.nodes * cells // largest)
        planning_s, memory_mib = plan(jobs, cells)
        with tempfile.TemporaryDirectory() as folder:
            submitting_s, status_s, failed = simulate(Path(folder), jobs, cells // jobs)
        print(
            f"| {cells} | {jobs} | {planning_s:.1f} | {memory_mib:.0f} | {submitting_s:.2f} | "
            f"{status_s:.2f} | {failed} |",
            flush=True,
        )


def plan(jobs: int, cells: int) -> tuple[float, float]:
    """Processor seconds and MiB of the dry run of a matrix of ``cells``, split into ``jobs``."""
    per_gpu = max(1, jobs // len(_GPUS))
    constraints = ",".join(f"node{number}" for number in range(per_gpu))
    sizes = ",".join(map(str, range(1, 1 + max(1, cells // (len(_GPUS) * per_gpu * 5)))))
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "sd_bench", "-m", "dry_run=true", "hydra/launcher=slurm",
            f"gpu={','.join(_GPUS)}", f"gpu.scheduling.constraint={constraints}",
            f"attention={','.join(_ATTENTION)}", f"workload.batch_size={sizes}",
            f"hydra.sweep.dir={folder}/none/none",
        ]  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took_s, after.ru_maxrss / 1024


@dataclass
class Simulated:
    """A scheduler whose jobs end when they are submitted; one in a hundred fails halfway."""

    random: random.Random
    name: str = "slurm"
    jobs_outlive_command: bool = True
    failed: int = 0
    _states: dict[str, JobState] = field(default_factory=dict)

    def parameters(self, group: Group) -> Mapping[str, object]:
        return {}

    def submit(self, sweep: Path, group: Group, nodes: Sequence[str]) -> str:
        job = str(len(self._states) + 1)
        fails = self.random.random() < _FAILING
        run(GroupFolders(sweep, group.name), len(group.indices), job, fails)
        self.failed += fails
        word = "NODE_FAIL" if fails else "COMPLETED"
        self._states[job] = JobState(word=OVER, state=word, node=f"node{job}")
        return job

    def states(self, jobs: Iterable[str]) -> Mapping[str, JobState]:
        return {job: self._states[job] for job in jobs}

    def words_to_cancel(self, jobs: Sequence[str]) -> list[str]:
        return ["scancel", *jobs]


def run(folders: GroupFolders, cells: int, job: str, fails: bool) -> None:
    """Do the work of a job: create a file per missing round, or for half of them if it fails.

    Raises FileExistsError for a round that is measured twice.
    """
    write_nodes(folders.records if folders.records.exists() else _made(folders.records), ["node"])
    missing = [
        folders.records / str(cell) / f"round-{number}.json"
        for number in range(_ROUNDS)
        for cell in range(cells)
        if not (folders.records / str(cell) / f"round-{number}.json").exists()
    ]
    for record in missing[: len(missing) // 2] if fails else missing:
        record.parent.mkdir(exist_ok=True)
        record.touch(exist_ok=False)
    progress = Progress(expected=cells * _ROUNDS, failed=0, is_complete=not fails)
    write_progress(folders.records, progress)
    if not fails:
        write_ended(folders.records, Ended(exit_code=0, is_complete=True, job=job, node="node"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def simulate(sweep: Path, jobs: int, cells: int) -> tuple[float, float, int]:
    """Submit ``jobs`` groups of ``cells`` cells each, and resubmit the groups that failed.

    Returns the seconds for submitting (which includes writing the files of the rounds), the seconds
    for one status of the whole sweep, and the number of failed jobs. Exits if a round is missing.
    """
    groups = [
        Group(
            name=f"group-{number}", gpu="t4", kind="cuda", scheduling=SchedulingConfig(),
            torch_envs=("current",), nodes=1, indices=tuple(range(cells)),
        )
        for number in range(jobs)
    ]  # fmt: skip
    overrides = [[f"attention={_ATTENTION[n % 5]}", f"batch_size={n}"] for n in range(cells)]
    stored = [
        StoredGroup(name=g.name, gpu=g.gpu, scheduler="slurm", arguments=[], cells=overrides)
        for g in groups
    ]
    scheduler = Simulated(random.Random(0))
    began = time.perf_counter()
    submit_groups(scheduler, sweep, groups, stored, lambda _: None)
    submitting_s = time.perf_counter() - began
    began = time.perf_counter()
    status = read_status(sweep, scheduler)
    status_s = time.perf_counter() - began
    resumes = 0
    while not all(each.word == "done" for each in status.groups):
        submit_groups(scheduler, sweep, groups, stored, lambda _: None)
        status = read_status(sweep, scheduler)
        resumes += 1
    done = sum(each.done for each in status.groups)
    if done != jobs * cells * _ROUNDS:
        sys.exit(f"{done} rounds of {jobs * cells * _ROUNDS} after {resumes} resumes")
    return submitting_s, status_s, scheduler.failed


if __name__ == "__main__":
    main()
