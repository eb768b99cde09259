"""Composes the jobs of a Hydra multirun together, since they share nearly everything."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from sd_bench.config.shared_composition import SharedComposition
from sd_bench.execution.cell import Job
from sd_bench.screens.progress import counted


def compose_jobs(
    composition: SharedComposition,
    job_overrides: Sequence[Sequence[str]],
    labels: Sequence[str],
    first_index: int,
    sweep_folder: Path,
) -> list[Job]:
    """A job for each list of overrides, in their order, numbered from ``first_index``.

    Shows its progress if it takes long. Raises whatever Hydra raises, and ConfigError.
    """
    jobs: list[Job] = []
    with closing(counted(job_overrides, "cells composed")) as each:
        for index, overrides in enumerate(each, first_index):
            job = Job(
                config=composition.config(overrides),
                at_scale=partial(composition.config, overrides),
                index=index,
                label=labels[len(jobs)],
                folder=sweep_folder / composition.subdir(overrides, index),
                sweep_folder=sweep_folder,
            )
            jobs.append(job)
    return jobs
