"""The launchers ``fresh_process``, ``slurm`` and ``ray`` and the sweeper ``matrix``, for Hydra.

They only adapt Hydra's interfaces; sd_bench does the work.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from sd_bench.capabilities.hydra_plugins import check_sweeper
from sd_bench.cluster.scheduled import ScheduledJobs, cells_to_run
from sd_bench.config.hydra_arguments import as_typed
from sd_bench.config.overrides import check_num_cells
from sd_bench.config.shared_composition import SharedComposition
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import EndedJobs, Job
from sd_bench.execution.jobs import compose_jobs
from sd_bench.execution.sweep_folder import LOCK
from sd_bench.paths import folder_argument
from sd_bench.tuning.preset import with_tuned


class FreshProcessLauncher(Launcher):
    """Composes every job, then passes all to the task at once, so that their rounds interleave.

    ``group`` is a file with the cells to run instead of the matrix, if a sweep is divided among a
    scheduler's jobs. Raises ConfigError for settings that it does not have.
    """

    def __init__(self, group: str | None = None, **others: Any) -> None:
        if others:
            raise ConfigError(
                f"hydra.launcher: {', '.join(others)} (cluster=OPTION sets these): are for "
                "hydra/launcher=slurm or ray; name one of them, or leave these out"
            )
        self._group = group

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        check_sweeper(config.hydra.sweeper)
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        if self._group is not None:
            job_overrides = cells_to_run(Path(self._group), job_overrides)
        jobs = self._compose(job_overrides, initial_job_idx)
        self.task_function(jobs)  # our task function takes a whole sweep
        return _completed(job_overrides)

    def _compose(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[Job]:
        composition = SharedComposition(self.hydra_context.config_loader, self.config)
        sweep_dir = Path(self.config.hydra.sweep.dir).absolute()
        labels = distinct_labels([filter_overrides(overrides) for overrides in job_overrides])
        job_overrides = [with_tuned(o, composition.config) for o in job_overrides]
        return compose_jobs(composition, job_overrides, labels, initial_job_idx, sweep_dir)


def _completed(job_overrides: Sequence[Sequence[str]]) -> list[JobReturn]:
    return [JobReturn(overrides=o, status=JobStatus.COMPLETED) for o in job_overrides]


class _SchedulerLauncher(FreshProcessLauncher):
    """Passes the sweep to the task with the launcher's settings, to be divided among jobs."""

    scheduler = ""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = settings

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        plain = OmegaConf.to_container(OmegaConf.create(self._settings), resolve=True)
        assert isinstance(plain, dict)
        self.task_function(
            ScheduledJobs(
                jobs=self._compose(job_overrides, initial_job_idx),
                overrides=job_overrides,
                launcher=self.scheduler,
                settings={str(name): value for name, value in plain.items()},
            )
        )
        return _completed(job_overrides)


class SlurmLauncher(_SchedulerLauncher):
    """Runs each group of cells as a Slurm job."""

    scheduler = "slurm"


class RayLauncher(_SchedulerLauncher):
    """Runs each group of cells as a Ray task."""

    scheduler = "ray"


def distinct_labels(jobs: Sequence[Sequence[str]]) -> list[str]:
    """What the user typed for each job, without what all of several jobs have in common."""
    common = set.intersection(*(set(job) for job in jobs)) if len(jobs) > 1 else set()
    typed = ([as_typed(o) for o in job if o not in common] for job in jobs)
    return [" ".join(job).replace("'", "") for job in typed]


class MatrixSweeper(BasicSweeper):
    """Hydra's own sweeper with all jobs in one batch; removes the sweep's folder if it is unused.

    ``matrices`` are several matrices instead of one, each combined with ``params``. What is typed
    applies to all of them.
    """

    def __init__(
        self,
        params: dict[str, str] | None = None,
        matrices: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        super().__init__(max_batch_size=None, params=params)
        self.matrices = matrices or [{}]

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None
        if not self.config.hydra.sweep.dir:
            raise ConfigError("hydra.sweep.dir: is empty; name a folder, or leave it out")
        if self.config.hydra.job.env_set:
            names = " ".join(f"{n}={v}" for n, v in self.config.hydra.job.env_set.items())
            raise ConfigError(
                f"hydra.job.env_set: no process of a round would get it; write {names} before the "
                "command, which every round gets"
            )
        for typed in self.config.hydra.overrides.hydra:
            if typed.lstrip("+~").startswith("hydra.run.dir"):
                raise ConfigError(
                    "hydra.run.dir: records go to the folder of a sweep, also those of one cell: "
                    "write hydra.sweep.dir=FOLDER"
                )
        if self.config.resume and not isinstance(self.launcher, FreshProcessLauncher):
            raise ConfigError(
                "resume: only hydra/launcher=fresh_process, slurm and ray can continue a sweep"
            )
        sweep_dir = Path(self.config.hydra.sweep.dir).absolute()
        made = [folder for folder in (sweep_dir, *sweep_dir.parents) if not folder.exists()]
        if self._is_named_by_the_time() and not (self.config.dry_run or self.config.resume):
            own = make_own_folder(sweep_dir)
            self._move_to(own)
            made = [own, *(folder for folder in made if folder != sweep_dir)]
            sweep_dir = own
        own_file = sweep_dir / "multirun.yaml"
        before = own_file.read_bytes() if own_file.exists() else None
        try:
            returns = super().sweep(arguments)
            if not isinstance(self.launcher, FreshProcessLauncher) and not self.config.dry_run:
                jobs = [job for batch in returns for job in batch]
                self.task_function(EndedJobs([_folder_of(job, sweep_dir) for job in jobs]))
            return returns
        finally:
            is_unused = self.config.dry_run or not self._has_begun(sweep_dir)
            if is_unused and made:
                _take_back(made)
            elif before is not None:  # keep what the sweep was first started with
                if own_file.read_bytes() != before:
                    own_file.write_bytes(before)
            elif is_unused:
                own_file.unlink(missing_ok=True)

    def _has_begun(self, sweep_dir: Path) -> bool:
        """Whether a sweep has been in the folder; other launchers give each cell its own sweep."""
        if isinstance(self.launcher, FreshProcessLauncher):
            return (sweep_dir / LOCK).exists()
        return any(sweep_dir.rglob(LOCK))

    def _is_named_by_the_time(self) -> bool:
        """Whether the folder's name is a time, so that it must be new, rather than a typed one."""
        assert self.config is not None
        return "${now:" in str(OmegaConf.to_container(self.config.hydra.sweep, resolve=False))

    def _move_to(self, sweep_dir: Path) -> None:
        """Use another folder for this sweep and its jobs."""
        assert self.config is not None
        argument = folder_argument(sweep_dir)
        with read_write(self.config), open_dict(self.config):
            self.config.hydra.sweep.dir = str(sweep_dir).replace("${", "\\${")
            self.config.hydra.overrides.hydra.append(argument)

    def split_arguments(  # type: ignore[override]
        self, overrides: Sequence[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """The jobs of all matrices, without repeats, in one batch.

        ``overrides`` are those of ``params``, followed by what is typed.
        """
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        of_params, typed = overrides[: len(self.params)], overrides[len(self.params) :]
        matrices = [
            [*of_params, *parser.parse_overrides([f"{n}={v}" for n, v in own.items()]), *typed]
            for own in self.matrices
        ]
        check_num_cells(matrices)
        jobs: dict[tuple[str, ...], None] = {}
        for matrix in matrices:
            (batch,) = super().split_arguments(matrix, max_batch_size)
            jobs |= dict.fromkeys(map(tuple, batch))
        return [list(map(list, jobs))]

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Skip Hydra's check for our launchers, which compose all jobs before any of them runs."""
        if not isinstance(self.launcher, FreshProcessLauncher):
            super().validate_batch_is_legal(batch)


def _folder_of(job: JobReturn, sweep_dir: Path) -> Path:
    """The folder in which another launcher ran ``job``; the sweep's folder if unknown."""
    folder = None if job.hydra_cfg is None else job.hydra_cfg.hydra.runtime.get("output_dir")
    return sweep_dir if folder is None else Path(folder)


def make_own_folder(folder: Path) -> Path:
    """Make and return ``folder``, or the next free name if another command has just made it.

    Raises OSError.
    """
    for number in count(1):
        own = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        own.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError, FileNotFoundError):  # another may be removing its folders
            own.mkdir()
            return own
    raise AssertionError


def _take_back(made: list[Path]) -> None:
    """Remove the innermost folder with what Hydra wrote there, and the others if empty."""
    shutil.rmtree(made[0], ignore_errors=True)
    with suppress(OSError):
        for folder in made[1:]:
            folder.rmdir()
