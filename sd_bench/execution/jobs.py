"""The jobs of a Hydra multirun, composed together: they have nearly everything in common."""

from __future__ import annotations

from collections import defaultdict
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

    Says how far it is where it takes long. Raises what Hydra raises, and ConfigError.
    """
    sharing: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, overrides in enumerate(job_overrides):
        sharing[composition.sharing(overrides)].append(at)
    one_combination_after_another = [at for places in sharing.values() for at in places]
    jobs = {}
    with closing(counted(one_combination_after_another, "cells composed")) as places:
        for at in places:
            overrides, index = job_overrides[at], first_index + at
            jobs[at] = Job(
                config=composition.config(overrides),
                at_scale=partial(composition.config, overrides),
                index=index,
                label=labels[at],
                folder=sweep_folder / composition.subdir(overrides, index),
                sweep_folder=sweep_folder,
            )
    return [jobs[at] for at in range(len(job_overrides))]
