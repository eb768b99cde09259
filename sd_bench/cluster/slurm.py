"""Slurm, through submitit: submits the jobs of a sweep's groups and reads their states."""

from __future__ import annotations

import getpass
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sd_bench.cluster.folders import GroupFolders
from sd_bench.cluster.group_job import GroupJob
from sd_bench.cluster.groups import Group
from sd_bench.cluster.schedulers import (
    OVER,
    PENDING,
    RUNNING,
    JobState,
    SchedulerAwayError,
)
from sd_bench.cluster.settings import SlurmSettings
from sd_bench.errors import ConfigError, printable
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR

#: How long squeue and sacct may take, in seconds.
_ANSWER_S = 30.0
#: Seconds between two tries to submit while the controller is away.
_AGAIN_S = 3.0
#: Messages of sbatch if the controller is away.
_AWAY = (
    "Unable to contact slurm controller",
    "Connection refused",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Slurm backup controller in standby mode",
)
_FORMAT = "%i|%T|%r|%N"
_WORDS = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT",
         "RESV_DEL_HOLD"), PENDING,
    ),
    **dict.fromkeys(
        ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"),
        RUNNING,
    ),
}  # fmt: skip


class SlurmScheduler:
    """Submits each group by sbatch. Raises ConfigError where submitit or srun is missing."""

    name = "slurm"
    jobs_outlive_command = True

    def __init__(self, settings: SlurmSettings) -> None:
        self._settings = settings

    def parameters(self, group: Group) -> dict[str, object]:
        settings = self._settings
        named: dict[str, object] = {
            "job_name": f"sd_bench-{group.name}",
            "partition": settings.partition,
            "account": settings.account,
            "qos": settings.qos,
            "time": settings.time_min,
            "gres": group.scheduling.gres,
            "constraint": group.scheduling.constraint,
            "nodes": group.nodes,
            "ntasks_per_node": 1,
            "cpus_per_task": settings.cpus_per_task,
            "mem": None if settings.mem_gb is None else f"{round(settings.mem_gb * 1024)}M",
            "signal_delay_s": settings.signal_delay_s,
            "setup": self._setup(group) or None,
            "srun_args": list(settings.srun_args) or None,
            "additional_parameters": {"requeue": True, **settings.sbatch},
        }
        return {name: value for name, value in named.items() if value is not None}

    def _setup(self, group: Group) -> list[str]:
        of_envs = [
            line for env in group.torch_envs for line in self._settings.setup_of.get(env, [])
        ]
        lines = [*self._settings.setup, *of_envs]
        if IS_CHECKOUT:
            lines.append(f'export PYTHONPATH="{PACKAGE_DIR.parent}:${{PYTHONPATH:-}}"')
        return lines

    def submit(self, sweep: Path, group: Group, nodes: Sequence[str]) -> str:
        executor = self._executor(GroupFolders(sweep, group.name).own)
        parameters = self.parameters(group)
        if nodes:
            parameters["nodelist"] = ",".join(nodes)
        deadline = time.monotonic() + self._settings.submit_timeout_s
        while True:
            try:
                executor.update_parameters(**parameters)
                job = executor.submit(GroupJob(str(sweep), group.name))
                return str(job.job_id)
            except Exception as error:  # submitit's, about sbatch or unknown parameters
                words = printable(error, 1000)
                if not any(away in words for away in _AWAY) or time.monotonic() >= deadline:
                    raise ConfigError(f"{group.name}: sbatch refuses it: {words}") from None
            time.sleep(_AGAIN_S)

    def _executor(self, folder: Path) -> Any:
        try:
            from submitit import SlurmExecutor
        except ImportError:
            raise ConfigError(
                "hydra/launcher=slurm: needs submitit: pip install 'sd_bench[slurm]' (in a "
                "checkout: pip install -e '.[slurm]')"
            ) from None
        try:
            return SlurmExecutor(
                folder, max_num_timeout=self._settings.max_requeues, python=self._settings.python
            )
        except RuntimeError:
            raise ConfigError(
                "hydra/launcher=slurm: there is no srun here; run the command on a login node"
            ) from None

    def states(self, jobs: Iterable[str]) -> dict[str, JobState]:
        wanted = set(jobs)
        if not wanted:
            return {}
        found = _read_states(
            _ask(["squeue", "-h", "-t", "all", "-u", getpass.getuser(), "-o", _FORMAT]), wanted
        )
        if missing := sorted(wanted - set(found)):  # squeue forgets a job minutes after its end
            try:
                text = _ask(
                    ["sacct", "-n", "-P", "-X", "-o", "JobID,State,Reason,NodeList",
                     "-j", ",".join(missing)]
                )  # fmt: skip
            except SchedulerAwayError:  # no accounting here
                text = ""
            found |= _read_states(text, set(missing))
        return found

    def words_to_cancel(self, jobs: Sequence[str]) -> list[str]:
        return ["scancel", *jobs]


def _ask(command: Sequence[str]) -> str:
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_S, check=True
        )
    except FileNotFoundError:
        raise SchedulerAwayError(f"there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise SchedulerAwayError(f"{command[0]} does not answer") from None
    except subprocess.CalledProcessError as error:
        words = " ".join(str(error.stderr).split()) or "does not answer"
        raise SchedulerAwayError(f"{command[0]}: {printable(words, 300)}") from None
    return answer.stdout


def _read_states(text: str, wanted: set[str]) -> dict[str, JobState]:
    """The states in lines of ``id|state|reason|nodes``."""
    found = {}
    for line in text.splitlines():
        job, state, reason, node = (*line.strip().split("|"), "", "", "", "")[:4]
        if job in wanted:
            state = state.partition(" ")[0]  # CANCELLED by 1000
            found[job] = JobState(
                word=_WORDS.get(state, OVER),
                state=state,
                reason="" if reason == "None" else reason,
                node=node,
            )
    return found
