"""Ray: each group is a task with its own GPU, which Ray never retries by itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_bench.cluster.folders import GroupFolders
from sd_bench.cluster.group_job import GroupJob
from sd_bench.cluster.groups import Group
from sd_bench.cluster.schedulers import OVER, PENDING, RUNNING, JobState
from sd_bench.cluster.settings import RaySettings
from sd_bench.errors import ConfigError, printable
from sd_bench.execution.folder_claim import living_holder
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR

_THREADS = "OMP_NUM_THREADS"
#: The share of a node's accelerator type that Ray reserves for a task that asks for it.
_A_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class _Task:
    """The tasks of a group, one per node."""

    references: tuple[Any, ...]
    folders: GroupFolders
    nodes: int


class RayScheduler:
    """Runs groups as Ray tasks, which end with this process."""

    name = "ray"
    jobs_outlive_command = False

    def __init__(self, settings: RaySettings) -> None:
        if not settings.wait:
            raise ConfigError(
                "hydra.launcher.wait=false: Ray ends tasks with the command that started them; "
                "leave it out"
            )
        self._settings = settings
        self._tasks: dict[str, _Task] = {}

    def parameters(self, group: Group) -> dict[str, object]:
        scheduling = group.scheduling
        has_gpu = group.kind == "cuda" or scheduling.accelerator_type is not None
        named: dict[str, object] = {
            "name": f"sd_bench-{group.name}",
            "num_gpus": 1 if has_gpu else 0,
            "num_cpus": self._settings.num_cpus,
            "accelerator_type": scheduling.accelerator_type,
            "resources": dict(self._settings.resources) or None,
            "max_retries": 0,
        }
        return {name: value for name, value in named.items() if value is not None}

    def submit(self, sweep: Path, group: Group, nodes: Sequence[str]) -> str:
        ray = self._connected()
        options = self.parameters(group)
        task = ray.remote(_run_group)
        keeps_threads = _THREADS in os.environ
        references = tuple(
            task.options(**options, **where).remote(str(sweep), group.name, keeps_threads)
            for where in self._places(ray, group, options, nodes)
        )
        job = references[0].task_id().hex()
        self._tasks[job] = _Task(references, GroupFolders(sweep, group.name), group.nodes)
        return str(job)

    def _connected(self) -> Any:
        try:
            import ray
        except ImportError:
            raise ConfigError(
                "hydra/launcher=ray: needs Ray: pip install 'sd_bench[ray]' (in a checkout: "
                "pip install -e '.[ray]')"
            ) from None
        if ray.is_initialized():
            return ray
        variables = {}
        if IS_CHECKOUT:
            paths = [str(PACKAGE_DIR.parent), os.environ.get("PYTHONPATH", "")]
            variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        try:
            ray.init(
                address=self._settings.address or "local",
                log_to_driver=False,
                include_dashboard=None if self._settings.address else False,
                runtime_env={"env_vars": variables},
                logging_level="WARNING",
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"hydra.launcher.address={self._settings.address}: no Ray answers there "
                f"({printable(error, 300)}); name the address that ray start printed, or leave it "
                "out to start Ray on this machine"
            ) from None
        return ray

    def _places(
        self, ray: Any, group: Group, options: Mapping[str, Any], nodes: Sequence[str]
    ) -> list[dict[str, object]]:
        """Ray's options that place each of the group's tasks on a different node."""
        from ray.util.scheduling_strategies import (
            NodeAffinitySchedulingStrategy,
            PlacementGroupSchedulingStrategy,
        )

        if nodes:
            needed = _needed(options)
            ids = {
                node["NodeManagerHostname"]: node["NodeID"]
                for node in ray.nodes()
                if node["Alive"]
                and all(node["Resources"].get(name, 0) >= n for name, n in needed.items())
            }
            missing = [node for node in nodes if node not in ids]
            if missing:
                raise ConfigError(
                    f"{group.name}: was started on {', '.join(missing)}, which Ray does not have "
                    "now; hydra.launcher.same_node=false measures the rest elsewhere"
                )
            return [
                {"scheduling_strategy": NodeAffinitySchedulingStrategy(ids[node], soft=False)}
                for node in nodes
            ]
        if group.nodes == 1:
            return [{}]
        bundles = [_needed(options) for _ in range(group.nodes)]
        placement = ray.util.placement_group(bundles, strategy="STRICT_SPREAD")
        return [
            {
                "scheduling_strategy": PlacementGroupSchedulingStrategy(
                    placement, placement_group_bundle_index=at
                )
            }
            for at in range(group.nodes)
        ]

    def states(self, jobs: Iterable[str]) -> dict[str, JobState]:
        return {job: self._state(self._tasks[job]) for job in jobs if job in self._tasks}

    def _state(self, task: _Task) -> JobState:
        import ray

        references = list(task.references)
        ended, _ = ray.wait(references, num_returns=len(references), timeout=0)
        if len(ended) == len(references):
            return _ended(ray, ended)
        holders = [living_holder(folder) for folder in task.folders.sweeps(task.nodes)]
        begun = [holder for holder in holders if holder is not None]
        if not begun:
            return JobState(word=PENDING, state="PENDING", reason="waits for a node")
        return JobState(word=RUNNING, state="RUNNING", node=begun[0].node)

    def words_to_cancel(self, jobs: Sequence[str]) -> list[str]:
        return []


def _needed(options: Mapping[str, Any]) -> dict[str, float]:
    """The resources that a task needs, by their names in Ray's nodes."""
    needed = {"CPU": options["num_cpus"], "GPU": options["num_gpus"]}
    if (accelerator := options.get("accelerator_type")) is not None:
        needed[f"accelerator_type:{accelerator}"] = _A_SHARE
    needed |= options.get("resources", {})
    return {name: number for name, number in needed.items() if number}


def _run_group(sweep: str, name: str, keeps_threads: bool) -> int:
    """The task's function, which undoes Ray's limit on the number of threads."""
    if not keeps_threads:
        os.environ.pop(_THREADS, None)
    return GroupJob(sweep, name)()


def _ended(ray: Any, references: Sequence[Any]) -> JobState:
    try:
        codes = ray.get(references)
    except ray.exceptions.RayError as error:
        first, *_ = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {printable(first, 200)}"
        return JobState(word=OVER, state="FAILED", reason=reason)
    return JobState(word=OVER, state="FINISHED" if not any(codes) else f"EXIT {max(codes)}")
