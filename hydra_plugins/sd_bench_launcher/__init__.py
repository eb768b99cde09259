"""The launcher ``fresh_process``, where Hydra looks for launchers; the work is in sd_bench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from sd_bench.execution.cell import Job
from sd_bench.records import RECORD_GLOB


class FreshProcessLauncher(Launcher):
    """Composes every job, then hands all of them to the task at once: their rounds interleave."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        sweep_dir = Path(self.config.hydra.sweep.dir).absolute()
        indexed = list(enumerate(job_overrides, start=initial_job_idx))
        try:
            returns = [self._compose(index, list(overrides)) for index, overrides in indexed]
            jobs = _jobs(indexed, returns, sweep_dir)
            if any(job.config.plan for job in jobs):
                _remove_if_unused(sweep_dir)
            self.task_function(jobs)  # ours takes a whole sweep
        except Exception:
            _remove_if_unused(sweep_dir)
            raise
        return returns

    def _compose(self, index: int, overrides: list[str]) -> JobReturn:
        composed = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with read_write(composed), open_dict(composed):
            composed.hydra.job.id = composed.hydra.job.num = index
        job = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
        job.hydra_cfg = OmegaConf.masked_copy(composed, "hydra")
        job.cfg = composed.copy()
        with read_write(job.cfg), open_dict(job.cfg):
            del job.cfg["hydra"]
        return job


def _jobs(
    indexed: Sequence[tuple[int, Sequence[str]]], returns: Sequence[JobReturn], sweep_dir: Path
) -> list[Job]:
    labels = distinct_labels([filter_overrides(overrides) for _, overrides in indexed])
    jobs = []
    for (index, _), label, job in zip(indexed, labels, returns, strict=True):
        assert job.cfg is not None
        assert job.hydra_cfg is not None
        folder = sweep_dir / str(job.hydra_cfg.hydra.sweep.subdir)
        jobs.append(Job(config=job.cfg, index=index, label=label, folder=folder))
    return jobs


def distinct_labels(jobs: Sequence[Sequence[str]]) -> list[str]:
    """What the user typed for each job, less what all jobs have in common if there are several."""
    common = set.intersection(*(set(job) for job in jobs)) if len(jobs) > 1 else set()
    return [" ".join(o for o in job if o not in common).replace("'", "") for job in jobs]


def _remove_if_unused(sweep_dir: Path) -> None:
    """Take back the folder that Hydra has made, if nothing has been measured into it."""
    if any(sweep_dir.rglob(RECORD_GLOB)):
        return
    (sweep_dir / "multirun.yaml").unlink(missing_ok=True)
    is_default = sweep_dir.parents[1].name == "multirun_outputs"
    for folder in (sweep_dir, *(sweep_dir.parents[:2] if is_default else ())):
        try:
            folder.rmdir()
        except OSError:
            return
